import { runCoordinatorProcess } from '@lvnet/coordinator';
import { dieWithParent } from '@lvnet/kernels';
import { createLogger, createTelemetry, serveMetrics } from '@lvnet/telemetry';
import { checkServersAt } from '@lvnet/redis';
import { runSupervisor } from '@lvnet/worker';
import { stopSignal } from './stop-signal.js';
import { readSettings } from './settings.js';

export async function coordinator(options: { port?: number; host: string }): Promise<void> {
  followParent();
  const { redisUrl, storeUrl } = readSettings();
  const logger = createLogger({ process: 'coordinator' });
  const port = Number(options.port ?? process.env['LVNET_METRICS_PORT'] ?? 9464);
  const stop = stopSignal();
  await runCoordinatorProcess(
    {
      redisUrl,
      storeUrl,
      port,
      host: options.host,
      token: process.env['LVNET_TOKEN'],
      logger,
      onListening: (taken) => {
        logger.info('listening', { port: taken });
        process.send?.({ kind: 'listening', port: taken });
      },
    },
    stop.signal,
  );
}

export interface WorkerFlags {
  engine: string;
  device: number;
  deviceMemory?: number;
  threads?: number;
  name?: string;
  port?: number;
}

export async function worker(options: WorkerFlags): Promise<void> {
  followParent();
  const settings = readSettings();
  const logger = createLogger({ process: 'worker' });
  const telemetry = createTelemetry({ process: 'worker' });
  const asked = options.port ?? process.env['LVNET_METRICS_PORT'];
  const server = asked === undefined ? undefined : await serveMetrics(telemetry, Number(asked));
  const stop = stopSignal();
  try {
    await checkServersAt([settings.redisUrl, settings.tensorRedisUrl]);
    await runSupervisor(
      {
        redisUrl: settings.redisUrl,
        childEnv: {
          ...process.env,
          LVNET_REDIS_URL: settings.redisUrl,
          LVNET_TENSOR_REDIS_URL: settings.tensorRedisUrl,
          LVNET_STORE: settings.storeUrl,
          LVNET_ENGINE: options.engine,
          LVNET_DEVICE: String(options.device),
          ...(options.deviceMemory === undefined
            ? {}
            : { LVNET_DEVICE_MEMORY: String(options.deviceMemory) }),
          ...(options.threads === undefined ? {} : { LVNET_THREADS: String(options.threads) }),
        },
        telemetry,
        logger,
        metricsPort: server?.port ?? null,
        ...(options.name === undefined ? {} : { name: options.name }),
      },
      stop.signal,
    );
  } finally {
    await server?.close();
  }
}

/** Started by `lvnet up` or the demo, a process ends with them, kill -9 included. */
function followParent(): void {
  if (process.send === undefined) return;
  dieWithParent();
  process.on('disconnect', () => process.exit(1));
  process.channel?.unref(); // the channel alone must not keep a process up that has done its work
}
