import type { Reply, Sink } from './resp.js';
import type { Argument } from './blob-client.js';

/**
 * A member's way to the tensor server: commands one way, messages the other. Connections are opened again
 * whenever they end; commands fail while there is none, and whoever waits calls `ready` and asks again.
 */
export interface Link {
  /** Resolves once commands and messages get through; connects where needed. */
  ready(): Promise<void>;
  command(args: readonly Argument[], sink?: Sink): Promise<Reply>;
  /** The server's number of the command connection, or '' while there is none. */
  clientId(): string;
  /** How long both connections have been up; what the server holds may be younger than what members remember. */
  upMs(): number;
  close(): void;
}

export interface LinkEvents {
  onMessage: (payload: string) => void;
  /** The connection is new: everything on the server may be gone. Nothing else is sent until this resolves. */
  onReconnected: () => Promise<void>;
  onLost: (message: string) => void;
}

export type OpenLink = (events: LinkEvents) => Link;
