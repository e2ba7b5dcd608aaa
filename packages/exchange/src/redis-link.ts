import { systemClock } from '@lvnet/core';
import { keys } from '@lvnet/redis';
import { openBlobClient, type BlobClient } from './blob-client.js';
import type { Link, LinkEvents } from './link.js';

const connectLimitMs = 2_000;
const firstPauseMs = 25;
const lastPauseMs = 400;

/** A link over two connections to a Redis: one for commands, one that listens. */
export function openRedisLink(url: string, run: string, worker: string, events: LinkEvents): Link {
  let commands: BlobClient | undefined;
  let messages: BlobClient | undefined;
  let id = '';
  let opening: Promise<void> | undefined;
  let wasUp = false;
  let upSinceMs = Number.POSITIVE_INFINITY;
  let closed = false;

  const connect = async () => {
    commands?.close();
    messages?.close();
    const [first, second] = await Promise.all([
      openBlobClient(url, connectLimitMs),
      openBlobClient(url, connectLimitMs),
    ]);
    second.onMessage((_channel, payload) => {
      events.onMessage(payload);
    });
    await second.command(['SUBSCRIBE', keys.inbox(run, worker)]);
    await second.command(['SUBSCRIBE', keys.everyone(run)]);
    id = String(await first.command(['CLIENT', 'ID']));
    upSinceMs = systemClock.monotonicMs();
    [commands, messages] = [first, second];
    const reconnect = () => {
      if (!closed) link.ready().catch(() => undefined); // at once: the lease must go on
    };
    first.onClosed(reconnect);
    second.onClosed(reconnect);
  };
  const open = async () => {
    for (let attempt = 0; !closed; attempt++) {
      try {
        await connect();
        if (wasUp) await events.onReconnected();
        wasUp = true;
        return;
      } catch (error) {
        id = '';
        if (attempt === 0) events.onLost(error instanceof Error ? error.message : String(error));
        await systemClock.sleep(Math.min(lastPauseMs, firstPauseMs * 2 ** attempt));
      }
    }
  };
  const isUp = () => commands?.closed === false && messages?.closed === false;
  const link: Link = {
    async ready() {
      if (isUp() && opening === undefined) return;
      opening ??= open().finally(() => {
        opening = undefined;
      });
      await opening;
    },
    command(args, sink) {
      if (commands === undefined) return Promise.reject(new Error('not connected to Redis'));
      return commands.command(args, sink);
    },
    clientId: () => (isUp() ? id : ''),
    upMs: () => (isUp() ? systemClock.monotonicMs() - upSinceMs : 0),
    close() {
      closed = true;
      commands?.close();
      messages?.close();
    },
  };
  return link;
}
