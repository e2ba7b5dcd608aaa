import type { Link } from './link.js';

/** Short messages to channels; those of one moment leave as the lines of one. */
export interface Notices {
  /** Resolves once the server has it. */
  tell(channel: string, line: string): Promise<void>;
}

export function createNotices(link: Pick<Link, 'command'>): Notices {
  const open = new Map<string, { lines: string[]; sent: Promise<void> }>();
  return {
    tell(channel, line) {
      const known = open.get(channel);
      if (known !== undefined) {
        known.lines.push(line);
        return known.sent;
      }
      const lines = [line];
      const send = async () => {
        await Promise.resolve(); // whatever else this moment has to tell
        open.delete(channel);
        await link.command(['PUBLISH', channel, lines.join('\n')]);
      };
      const sent = send();
      open.set(channel, { lines, sent });
      return sent;
    },
  };
}
