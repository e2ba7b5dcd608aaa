import type { Job, Producer } from '@lvnet/queue';
import { queueName } from '@lvnet/queue';
import type { ControlRedis } from '@lvnet/queue/testing';
import type { SimProcess, World } from '../world.js';
import type { ControlServer } from './control-server.js';

/** What lies between a process and the server. */
export interface Weather {
  isPartitioned(process: SimProcess): boolean;
  /** At most, one way. */
  latencyMs(process: SimProcess): number;
}

/** One connection of a process: what is sent arrives in order, and again where the answer got lost. */
export interface ControlConnection {
  call<T>(work: () => T): Promise<T>;
  close(): void;
}

const commandTimeoutMs = 10_000;
const tryAgainMs = 100;

export function openConnection(
  world: World,
  process: SimProcess,
  server: ControlServer,
  weather: Weather,
  o: { failsAtOnce?: boolean } = {},
): ControlConnection {
  const outbox: (() => void)[] = [];
  let isSending = false;
  let isClosed = false;
  const latencyMs = () => world.random.between(0.1, weather.latencyMs(process));
  const pump = () => {
    const next = outbox.shift();
    isSending = next !== undefined;
    next?.();
  };
  return {
    call: (work) =>
      new Promise((resolve, reject) => {
        if (isClosed) {
          reject(new Error('Connection is closed.'));
          return;
        }
        const sentMs = world.nowMs();
        let isTimed = false;
        /** Only what has to wait needs a limit. */
        const limit = () => {
          if (isTimed) return;
          isTimed = true;
          process.later(commandTimeoutMs - (world.nowMs() - sentMs), 'timer', () => {
            reject(new Error('Command timed out'));
          });
        };
        const arrive = () => {
          const isAway = !server.isUp() || weather.isPartitioned(process);
          if (isAway && (o.failsAtOnce === true || !process.isAlive())) {
            process.later(0, 'message', () => {
              reject(new Error('Connection is closed.'));
            });
            pump();
          } else if (isAway) {
            limit();
            world.after(tryAgainMs, arrive);
          } else answer();
        };
        const answer = () => {
          const value = work();
          const epoch = server.epoch();
          world.after(latencyMs(), () => {
            if (server.epoch() !== epoch) arrive();
            else {
              process.later(0, 'message', () => {
                resolve(value);
              });
              pump();
            }
          });
        };
        outbox.push(() => {
          world.after(latencyMs(), arrive);
        });
        if (!isSending) pump();
      }),
    close: () => {
      isClosed = true;
    },
  };
}

/** What leadership and registry speak through. */
export function controlRedisOver(
  connection: ControlConnection,
  server: ControlServer,
  sender: string,
): ControlRedis {
  return {
    command: (name, ...args) => connection.call(() => server.command(sender, name, args)),
    script: (script, keys, args) => connection.call(() => server.script(sender, script, keys, args)),
    disconnect: () => {
      connection.close();
    },
  };
}

/** A producer of jobs; while the server is away it fails at once. */
export function producerOver(connection: ControlConnection, { queues }: ControlServer): Producer {
  const close = () => {
    connection.close();
    return Promise.resolve();
  };
  return {
    ensure: (queue, jobId, job: Job) =>
      connection.call(() => {
        queues.add(queueName(queue), jobId, job);
      }),
    withdraw: (_queue, jobId) => connection.call(() => queues.withdraw(jobId)),
    counts: () => Promise.resolve({}),
    close,
    [Symbol.asyncDispose]: close,
  };
}
