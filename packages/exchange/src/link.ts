import type { Clock } from '@lvnet/core';
import type { Argument, BlobClient } from './blob-client.js';
import type { Reply, Sink } from './resp.js';

/**
 * A member's way to the tensor server: commands one way, messages the other. Both connections are opened again
 * whenever one ends; commands fail while there is none, and whoever waits calls `ready` and asks again.
 */
export interface Link {
  /** Resolves once commands and messages get through; connects where needed. */
  ready(): Promise<void>;
  command(args: readonly Argument[], sink?: Sink): Promise<Reply>;
  /** The server's number of the command connection, or '' while there is none. */
  clientId(): string;
  close(): void;
}

export interface LinkEvents {
  onMessage: (payload: string) => void;
  /** The connection is new: everything on the server may be gone. `ready` waits for this. */
  onReconnected: () => Promise<void>;
  onLost: (message: string) => void;
}

/** Two fresh connections: one for commands with its number, one that is subscribed. */
export interface Wires {
  commands: BlobClient;
  messages: BlobClient;
  id: string;
}

const firstPauseMs = 25;
const lastPauseMs = 400;

export function createLink(connect: () => Promise<Wires>, clock: Clock, events: LinkEvents): Link {
  let wires: Wires | undefined;
  let opening: Promise<void> | undefined;
  let wasUp = false;
  let closed = false;

  const isUp = () => wires?.commands.closed === false && !wires.messages.closed;
  const reconnect = () => {
    if (!closed) link.ready().catch(() => undefined); // at once: the lease must go on
  };
  const open = async () => {
    for (let attempt = 0; !closed; attempt++) {
      try {
        wires?.commands.close();
        wires?.messages.close();
        wires = await connect();
        wires.messages.onMessage((_channel, payload) => {
          events.onMessage(payload);
        });
        wires.commands.onClosed(reconnect);
        wires.messages.onClosed(reconnect);
        if (wasUp) await events.onReconnected();
        wasUp = true;
        if (isUp()) return;
      } catch (error) {
        if (attempt === 0) events.onLost(error instanceof Error ? error.message : String(error));
        await clock.sleep(Math.min(lastPauseMs, firstPauseMs * 2 ** attempt));
      }
    }
  };
  const link: Link = {
    async ready() {
      if (isUp() && opening === undefined) return;
      opening ??= open().finally(() => {
        opening = undefined;
      });
      await opening;
    },
    command(args, sink) {
      if (wires === undefined) return Promise.reject(new Error('not connected to Redis'));
      return wires.commands.command(args, sink);
    },
    clientId: () => (isUp() ? (wires?.id ?? '') : ''),
    close() {
      closed = true;
      wires?.commands.close();
      wires?.messages.close();
    },
  };
  return link;
}
