import { createServer, connect, type Socket } from 'node:net';
import { once } from 'node:events';
import { sleep } from '@lvnet/core';

/** A way to a server on this machine that can be cut and slowed down. */
export interface TcpProxy extends AsyncDisposable {
  port: number;
  /** Nothing gets through, and nobody is told: packets are lost, as behind a broken switch. */
  cut(): void;
  mend(): void;
  /** Everything takes so much longer, each way. */
  delay(latencyMs: number): void;
  /** Bytes that went through. */
  bytes(): number;
}

export async function startTcpProxy(targetPort: number): Promise<TcpProxy> {
  let latencyMs = 0;
  let passed = 0;
  let isCut = false;
  let mended = createGate();
  mended.resolve();
  const sockets = new Set<Socket>();
  const track = (socket: Socket) => {
    sockets.add(socket);
    socket.on('close', () => sockets.delete(socket));
    socket.on('error', () => undefined);
  };
  const pump = async (from: Socket, to: Socket) => {
    let order = Promise.resolve();
    from.on('data', (data) => {
      const dueMs = performance.now() + latencyMs;
      order = order.then(async () => {
        const waitMs = dueMs - performance.now();
        if (waitMs > 0) await sleep(waitMs);
        if (isCut) await mended.promise;
        passed += data.length;
        if (!to.destroyed) to.write(data);
      });
    });
    await once(from, 'close').catch(() => undefined);
    await order;
    to.end();
  };
  const server = createServer((client) => {
    const target = connect(targetPort, '127.0.0.1');
    for (const socket of [client, target]) track(socket);
    void pump(client, target);
    void pump(target, client);
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const address = server.address();
  return {
    port: typeof address === 'object' && address !== null ? address.port : 0,
    cut() {
      isCut = true;
      mended = createGate();
    },
    mend() {
      isCut = false;
      mended.resolve();
    },
    delay: (value) => {
      latencyMs = value;
    },
    bytes: () => passed,
    async [Symbol.asyncDispose]() {
      mended.resolve();
      for (const socket of sockets) socket.destroy();
      server.close();
      await once(server, 'close');
    },
  };
}

function createGate(): { promise: Promise<void>; resolve: () => void } {
  let resolve: () => void = () => undefined;
  const promise = new Promise<void>((done) => (resolve = done));
  return { promise, resolve };
}
