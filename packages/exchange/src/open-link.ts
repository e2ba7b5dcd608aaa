import { keys } from '@lvnet/redis';
import { openBlobClient } from './blob-client.js';
import type { Wires } from './link.js';

const connectLimitMs = 2_000;

/** Connects a worker to the tensor server, listening to its inbox and to what concerns everybody in the run. */
export async function connectWires(url: string, run: string, worker: string): Promise<Wires> {
  const [commands, messages] = await Promise.all([
    openBlobClient(url, connectLimitMs),
    openBlobClient(url, connectLimitMs),
  ]);
  await messages.command(['SUBSCRIBE', keys.inbox(run, worker)]);
  await messages.command(['SUBSCRIBE', keys.everyone(run)]);
  return { commands, messages, id: String(await commands.command(['CLIENT', 'ID'])) };
}
