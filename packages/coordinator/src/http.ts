import { timingSafeEqual } from 'node:crypto';
import { asFailure, Failure, failureCodes } from '@lvnet/core';
import type { Registry } from '@lvnet/queue';
import type { Store } from '@lvnet/store';
import type { Telemetry } from '@lvnet/telemetry';
import fastify, { type FastifyInstance, type FastifyRequest } from 'fastify';
import { overviewPage } from './page.js';
import { listRuns, readStatus, resolveRun } from './status.js';

export interface HttpParts {
  store: Store;
  registry: Registry;
  telemetry: Telemetry;
  /** Asked for on the page and the API when set; never on /metrics and /healthz. */
  token: string | undefined;
  health: () => { ok: boolean; details: Record<string, string | number | boolean> };
}

/**
 * /metrics, /healthz, /api/runs, /api/runs/RUN, the report of a run, and a page of all runs.
 *
 * @throws Failure('PORT_IN_USE')
 */
export async function serveHttp(
  parts: HttpParts,
  port: number,
  host: string,
): Promise<{ port: number; close(): Promise<void> }> {
  const server = fastify({ logger: false, forceCloseConnections: true });
  addRoutes(server, parts);
  server.setErrorHandler((error, _request, reply) => {
    const failure = asFailure(error);
    const status =
      failure.code === 'RUN_NOT_FOUND' ? 404 : failureCodes[failure.code] === 'mistake' ? 400 : 500;
    return reply.code(status).send({ error: failure.toJSON() });
  });
  try {
    await server.listen({ port, host });
  } catch (error) {
    throw asPortFailure(error, port);
  }
  const address = server.server.address();
  const taken = typeof address === 'object' && address !== null ? address.port : port;
  return { port: taken, close: () => server.close() };
}

function addRoutes(server: FastifyInstance, parts: HttpParts): void {
  server.get('/metrics', async (_request, reply) =>
    reply.type(parts.telemetry.contentType).send(await parts.telemetry.text()),
  );
  server.get('/healthz', (_request, reply) => {
    const health = parts.health();
    return reply.code(health.ok ? 200 : 503).send(health);
  });
  server.addHook('onRequest', async (request, reply) => {
    const open = request.url === '/metrics' || request.url === '/healthz';
    if (open || isAllowed(request, parts.token)) return;
    await reply
      .code(401)
      .header('www-authenticate', 'Basic realm="lvnet"')
      .send({
        error: { code: 'ARGUMENT_INVALID', message: 'A token is needed.', hint: 'Give LVNET_TOKEN.' },
      });
  });
  server.get('/', async (_request, reply) => {
    const runs = await listRuns(parts.store, parts.registry);
    return reply
      .type('text/html; charset=utf-8')
      .send(overviewPage(runs, await parts.registry.workers(), parts.store.url));
  });
  server.get('/api/runs', () => listRuns(parts.store, parts.registry));
  server.get<{ Params: { run: string } }>('/api/runs/:run', async (request) =>
    readStatus(parts.store, parts.registry, await resolveRun(parts.store, request.params.run)),
  );
  server.get<{ Params: { run: string } }>('/runs/:run/report', async (request, reply) => {
    const run = await resolveRun(parts.store, request.params.run);
    const page = await parts.store.get(`runs/${run}/report/report.html`);
    return reply.type('text/html; charset=utf-8').send(Buffer.from(page));
  });
}

/** `Authorization: Bearer TOKEN`, or Basic with the token as password so that a browser can ask for it. */
function isAllowed(request: FastifyRequest, token: string | undefined): boolean {
  if (token === undefined || token === '') return true;
  const [scheme, value = ''] = (request.headers.authorization ?? '').split(' ');
  if (scheme === 'Bearer') return isSame(value, token);
  if (scheme !== 'Basic') return false;
  const text = Buffer.from(value, 'base64').toString('utf8');
  return isSame(text.slice(text.indexOf(':') + 1), token);
}

function isSame(given: string, token: string): boolean {
  const [a, b] = [Buffer.from(given), Buffer.from(token)];
  return a.length === b.length && timingSafeEqual(a, b);
}

function asPortFailure(error: unknown, port: number): unknown {
  if ((error as NodeJS.ErrnoException).code !== 'EADDRINUSE') return error;
  return new Failure(
    'PORT_IN_USE',
    { port },
    {
      message: `Port ${String(port)} is in use.`,
      hint: 'Set LVNET_METRICS_PORT to a free one, or 0 for any.',
      cause: error,
    },
  );
}
