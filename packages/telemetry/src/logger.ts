import { Failure } from '@lvnet/core';
import { destination, pino, stdTimeFunctions, type DestinationStream, type Logger as Pino } from 'pino';
import { lineRedactor } from './redaction.js';

export type LogFields = Readonly<Record<string, unknown>>;

/** Structured log: a message for people, fields for machines; an `error` field may hold any thrown value. */
export interface Logger {
  debug(message: string, fields?: LogFields): void;
  info(message: string, fields?: LogFields): void;
  warn(message: string, fields?: LogFields): void;
  error(message: string, fields?: LogFields): void;
  /** A logger that adds these fields to every line. */
  child(fields: LogFields): Logger;
}

export const logLevels = ['debug', 'info', 'warn', 'error', 'silent'] as const;
export type LogLevel = (typeof logLevels)[number];

export interface LoggerOptions {
  process: string;
  /** Default: LVNET_LOG_LEVEL, else info. */
  level?: LogLevel;
  env?: NodeJS.ProcessEnv;
  /** Default: standard error, synchronously, so that a killed process loses no line. */
  sink?: DestinationStream;
}

/**
 * One JSON object a line; secrets are masked in every line (see redaction.ts).
 *
 * @throws Failure('ARGUMENT_INVALID') for an unknown LVNET_LOG_LEVEL
 */
export function createLogger(options: LoggerOptions): Logger {
  const env = options.env ?? process.env;
  const redact = lineRedactor(env);
  const configuration = {
    level: options.level ?? levelFrom(env),
    base: { process: options.process, pid: process.pid },
    timestamp: stdTimeFunctions.isoTime,
    formatters: { level: (label: string) => ({ level: label }) },
    serializers: { error: errorFields },
    hooks: { streamWrite: redact },
  };
  return wrap(pino(configuration, options.sink ?? destination({ fd: 2, sync: true })));
}

function levelFrom(env: NodeJS.ProcessEnv): LogLevel {
  const asked = env['LVNET_LOG_LEVEL'];
  if (asked === undefined || asked === '') return 'info';
  const level = logLevels.find((name) => name === asked.toLowerCase());
  if (level !== undefined) return level;
  throw new Failure(
    'ARGUMENT_INVALID',
    { variable: 'LVNET_LOG_LEVEL', value: asked },
    { message: `LVNET_LOG_LEVEL is "${asked}".`, hint: `Use one of ${logLevels.join(', ')}.` },
  );
}

function wrap(inner: Pino): Logger {
  return {
    debug: (message, fields = {}) => {
      inner.debug(fields, message);
    },
    info: (message, fields = {}) => {
      inner.info(fields, message);
    },
    warn: (message, fields = {}) => {
      inner.warn(fields, message);
    },
    error: (message, fields = {}) => {
      inner.error(fields, message);
    },
    child: (fields) => wrap(inner.child(fields)),
  };
}

/** A Failure's code, hint and details; the stack of anything else; causes three deep. */
function errorFields(thrown: unknown, depth = 0): unknown {
  if (!(thrown instanceof Error)) return thrown;
  const cause =
    thrown.cause === undefined || depth >= 3 ? {} : { cause: errorFields(thrown.cause, depth + 1) };
  if (thrown instanceof Failure) return { ...thrown.toJSON(), ...cause };
  return { name: thrown.name, message: thrown.message, stack: thrown.stack, ...cause };
}
