import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { Failure } from '@lvnet/core';
import type { Telemetry } from './telemetry.js';

export interface Health {
  ok: boolean;
  /** Small facts for a person with curl; never secrets. */
  details?: Readonly<Record<string, string | number | boolean>>;
}

export interface MetricsServer extends AsyncDisposable {
  readonly port: number;
  close(): Promise<void>;
}

/**
 * Serves GET /metrics and GET /healthz (200 or 503, JSON).
 *
 * @param port 0 takes a free one
 * @param host every interface when absent, so that a cluster's Prometheus gets in
 * @throws Failure('PORT_IN_USE')
 */
export async function serveMetrics(
  telemetry: Telemetry,
  port: number,
  host?: string,
  health: () => Health | Promise<Health> = () => ({ ok: true }),
): Promise<MetricsServer> {
  const server = createServer((request, response) => {
    void answer(telemetry, health, request, response);
  });
  await new Promise<void>((resolve, reject) => {
    server.once('error', (error) => {
      reject(asPortFailure(error, port));
    });
    server.listen({ port, ...(host === undefined ? {} : { host }) }, resolve);
  });
  const close = async () => {
    server.closeAllConnections();
    if (server.listening) await new Promise((resolve) => server.close(resolve));
  };
  return { port: (server.address() as AddressInfo).port, close, [Symbol.asyncDispose]: close };
}

async function answer(
  telemetry: Telemetry,
  health: () => Health | Promise<Health>,
  request: IncomingMessage,
  response: ServerResponse,
): Promise<void> {
  const path = (request.url ?? '/').split('?')[0];
  try {
    if (request.method !== 'GET' && request.method !== 'HEAD') {
      send(request, response, 405, 'text/plain', 'Only GET.\n');
    } else if (path === '/metrics') {
      send(request, response, 200, telemetry.contentType, await telemetry.text());
    } else if (path === '/healthz') {
      const state = await health();
      send(request, response, state.ok ? 200 : 503, 'application/json', `${JSON.stringify(state)}\n`);
    } else {
      send(request, response, 404, 'text/plain', 'Here are /metrics and /healthz.\n');
    }
  } catch {
    send(request, response, 500, 'text/plain', 'The metrics could not be collected.\n');
  }
}

function send(
  request: IncomingMessage,
  response: ServerResponse,
  status: number,
  type: string,
  body: string,
): void {
  response.writeHead(status, { 'content-type': type, 'cache-control': 'no-store' });
  response.end(request.method === 'HEAD' ? undefined : body);
}

function asPortFailure(error: NodeJS.ErrnoException, port: number): Error {
  if (error.code !== 'EADDRINUSE' && error.code !== 'EACCES') return error;
  const why = error.code === 'EADDRINUSE' ? 'is already in use' : 'needs privileges that this process lacks';
  return new Failure(
    'PORT_IN_USE',
    { port },
    {
      message: `Port ${String(port)} ${why}.`,
      hint: 'Choose another with LVNET_METRICS_PORT (0 takes a free one).',
      cause: error,
    },
  );
}
