import { resolve } from 'node:path';
import { counted } from '@lvnet/core';
import { startLocalCluster } from './local-cluster.js';
import { stopSignal } from './stop-signal.js';

export interface UpFlags {
  workers: number;
  engine: string;
  dir: string;
  port: number;
}

/** A local cluster until Ctrl-C. */
export async function up(options: UpFlags): Promise<void> {
  const say = (text: string) => process.stderr.write(`${text}\n`);
  const stop = stopSignal(() =>
    say('Stopping: the workers write a checkpoint first. Ctrl-C again stops at once.'),
  );
  const cluster = await startLocalCluster({
    folder: resolve(options.dir),
    linkFolder: process.cwd(),
    workers: options.workers,
    engine: options.engine,
    port: options.port,
    onNote: say,
  });
  say(`lvnet is up: ${cluster.page}`);
  say(`store ${cluster.settings.storeUrl}`);
  say(
    `${counted(options.workers, 'worker')}; logs in ${resolve(options.dir, 'logs')}. Ctrl-C stops everything.`,
  );
  await new Promise<void>((done) => {
    stop.signal.addEventListener('abort', () => {
      done();
    });
  });
  await cluster.stop();
}
