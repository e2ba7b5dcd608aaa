import { sleep } from '@lvnet/core';
import { keys } from '@lvnet/redis';
import { openBlobClient, type BlobClient, type Reply } from './blob-client.js';

/**
 * The two connections of a member, one for commands and one for messages, opened again whenever they
 * end. Commands fail while there is no connection; whoever waits calls `ready` and asks again.
 */
export interface Link {
  /** Resolves once both connections are up; opens them where needed. */
  ready(): Promise<void>;
  command(...args: readonly (string | number | Uint8Array)[]): Promise<Reply>;
  /** The server's number of the command connection, or '' while there is none. */
  clientId(): string;
  close(): void;
}

export interface LinkEvents {
  onMessage: (payload: string) => void;
  /** The connection is new: everything on the server may be gone. */
  onReconnected: () => Promise<void>;
  onLost: (message: string) => void;
}

const connectLimitMs = 2_000;

export function createLink(url: string, run: string, worker: string, events: LinkEvents): Link {
  let commands: BlobClient | undefined;
  let messages: BlobClient | undefined;
  let id = '';
  let opening: Promise<void> | undefined;
  let wasUp = false;
  let closed = false;

  const open = async () => {
    for (let attempt = 0; !closed; attempt++) {
      try {
        commands?.close();
        messages?.close();
        const [first, second] = await Promise.all([
          openBlobClient(url, connectLimitMs),
          openBlobClient(url, connectLimitMs),
        ]);
        second.onMessage((_channel, payload) => {
          events.onMessage(payload);
        });
        await second.command('SUBSCRIBE', keys.inbox(run, worker));
        await second.command('SUBSCRIBE', keys.everyone(run));
        id = String(await first.command('CLIENT', 'ID'));
        [commands, messages] = [first, second];
        break;
      } catch (error) {
        id = '';
        if (attempt === 0) events.onLost(error instanceof Error ? error.message : String(error));
        await sleep(Math.min(500, 50 * 2 ** attempt));
      }
    }
    if (wasUp && !closed) await events.onReconnected();
    wasUp = true;
  };
  const isUp = () => commands?.closed === false && messages?.closed === false;
  return {
    async ready() {
      if (isUp()) return;
      opening ??= open().finally(() => {
        opening = undefined;
      });
      await opening;
    },
    command(...args) {
      if (commands === undefined) return Promise.reject(new Error('not connected to Redis'));
      return commands.command(...args);
    },
    clientId: () => (isUp() ? id : ''),
    close() {
      closed = true;
      commands?.close();
      messages?.close();
    },
  };
}
