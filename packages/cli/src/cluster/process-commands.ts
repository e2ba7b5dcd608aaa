import { runCoordinatorProcess } from '@lvnet/coordinator';
import { dieWithParent } from '@lvnet/kernels';
import { createLogger, createTelemetry, serveMetrics } from '@lvnet/telemetry';
import { runSupervisor } from '@lvnet/worker';
import { Option, type Command } from 'commander';
import { stopSignal } from './stop-signal.js';
import { readSettings } from './settings.js';

export function registerProcessCommands(program: Command): void {
  program
    .command('coordinator')
    .description('Run the coordinator (one leads, others stand by); serves the page, /metrics and /healthz')
    .addHelpText(
      'after',
      '\nExample:\n  LVNET_REDIS_URL=redis://host LVNET_STORE=s3://bucket/lvnet lvnet coordinator\n',
    )
    .option('--port <number>', 'port of the page and /metrics (default: LVNET_METRICS_PORT or 9464)')
    .option('--host <address>', 'address to listen on', '0.0.0.0')
    .action((options: { port?: string; host: string }) => runCoordinatorCommand(options));
  program
    .command('worker')
    .description('Run one worker for one device')
    .addHelpText('after', '\nExample:\n  lvnet worker --engine native --threads 8\n')
    .addOption(
      new Option('--engine <engine>', 'engine')
        .choices(['auto', 'native', 'tensorflow', 'reference'])
        .default('auto'),
    )
    .option('--device <number>', 'device number for the tensorflow engine', '0')
    .option('--threads <number>', 'threads of the native engine (default: all cores)')
    .option('--name <name>', 'a name for people (default: the host name)')
    .option('--port <number>', 'port of /metrics (default: LVNET_METRICS_PORT, else none)')
    .action((options: WorkerCommandOptions) => runWorkerCommand(options));
}

async function runCoordinatorCommand(options: { port?: string; host: string }): Promise<void> {
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

interface WorkerCommandOptions {
  engine: string;
  device: string;
  threads?: string;
  name?: string;
  port?: string;
}

async function runWorkerCommand(options: WorkerCommandOptions): Promise<void> {
  followParent();
  const settings = readSettings();
  const logger = createLogger({ process: 'worker' });
  const telemetry = createTelemetry({ process: 'worker' });
  const asked = options.port ?? process.env['LVNET_METRICS_PORT'];
  const server = asked === undefined ? undefined : await serveMetrics(telemetry, Number(asked));
  const stop = stopSignal();
  try {
    await runSupervisor(
      {
        redisUrl: settings.redisUrl,
        childEnv: {
          ...process.env,
          LVNET_REDIS_URL: settings.redisUrl,
          LVNET_TENSOR_REDIS_URL: settings.tensorRedisUrl,
          LVNET_STORE: settings.storeUrl,
          LVNET_ENGINE: options.engine,
          LVNET_DEVICE: options.device,
          ...(options.threads === undefined ? {} : { LVNET_THREADS: options.threads }),
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
