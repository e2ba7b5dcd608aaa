import { once } from 'node:events';
import { createServer, request, type IncomingMessage, type ServerResponse } from 'node:http';
import { sleep } from '@lvnet/core';

export type S3Trouble = 'none' | '403' | '500' | '503' | 'slow' | 'truncated' | 'cut';

/** A way to an S3 server that gives wrong answers while it is told to. */
export interface S3Proxy extends AsyncDisposable {
  endpoint: string;
  /** The requests of these methods are in trouble from now on. */
  trouble(kind: S3Trouble, methods?: readonly string[]): void;
  /** Requests that suffered. */
  struck(): number;
}

const slowMs = 3_000;

export async function startS3Proxy(target: string): Promise<S3Proxy> {
  const { hostname, port } = new URL(target);
  let trouble: { kind: S3Trouble; methods: readonly string[] } = { kind: 'none', methods: [] };
  let struck = 0;
  const forward = (incoming: IncomingMessage, response: ServerResponse, isTruncated: boolean) => {
    const { method, url: path, headers } = incoming;
    const outgoing = request({ hostname, port, method, path, headers }, (answer) => {
      response.writeHead(answer.statusCode ?? 500, answer.headers);
      if (!isTruncated) answer.pipe(response);
      else
        answer.once('data', (data: Buffer) =>
          response.write(data.subarray(0, data.length >> 1), () => response.destroy()),
        );
    });
    outgoing.on('error', () => response.destroy());
    incoming.pipe(outgoing);
  };
  const server = createServer((incoming, response) => {
    const { kind, methods } = trouble;
    const isStruck = kind !== 'none' && methods.includes(incoming.method ?? '');
    if (isStruck) struck++;
    if (!isStruck) forward(incoming, response, false);
    else if (kind === 'slow')
      void sleep(slowMs).then(() => {
        forward(incoming, response, false);
      });
    else if (kind === 'truncated') forward(incoming, response, true);
    else if (kind === 'cut') incoming.socket.destroy();
    else {
      incoming.resume();
      response.writeHead(Number(kind), { 'content-type': 'application/xml' });
      response.end(`<Error><Code>${codes[kind]}</Code><Message>as asked for</Message></Error>`);
    }
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const address = server.address();
  const ownPort = typeof address === 'object' && address !== null ? address.port : 0;
  return {
    endpoint: `http://127.0.0.1:${String(ownPort)}`,
    trouble: (kind, methods = ['PUT', 'POST', 'GET', 'HEAD', 'DELETE']) => {
      trouble = { kind, methods };
    },
    struck: () => struck,
    async [Symbol.asyncDispose]() {
      server.closeAllConnections();
      server.close();
      await once(server, 'close');
    },
  };
}

const codes = { '403': 'AccessDenied', '500': 'InternalError', '503': 'SlowDown' } as const;
