import assert from 'node:assert/strict';
import { createParser, type Reply, type Sink } from './resp.js';
import { createHalves } from './memory.js';
import { encodePart, incoming, messageBytes } from './wire.js';
import { parseTensorKey, tensorKey } from './tensor-keys.js';

const textOf = (reply: Reply): unknown =>
  reply instanceof Error
    ? reply.message
    : Buffer.isBuffer(reply)
      ? reply.toString()
      : Array.isArray(reply)
        ? reply.map(textOf)
        : reply;

describe('reply parser', () => {
  it('reads replies however the stream is cut', () => {
    const stream = Buffer.from(
      '+OK\r\n:42\r\n$5\r\nhe\r\no\r\n$0\r\n\r\n$-1\r\n*2\r\n$1\r\na\r\n*1\r\n:7\r\n-ERR no\r\n*0\r\n',
    );
    for (let cut = 1; cut <= stream.length; cut++) {
      const replies: Reply[] = [];
      const parser = createParser({ onReply: (reply) => replies.push(reply), sinkOfNext: () => undefined });
      for (let at = 0; at < stream.length; at += cut) parser.feed(stream.subarray(at, at + cut));
      assert.deepEqual(replies.map(textOf), ['OK', 42, 'he\r\no', '', null, ['a', [7]], 'ERR no', []]);
    }
  });

  it('reads large values straight into the pieces of a sink', () => {
    const value = Buffer.from(Array.from({ length: 20_000 }, (_, i) => i % 251));
    const stream = Buffer.concat([Buffer.from('$20000\r\n'), value, Buffer.from('\r\n+after\r\n')]);
    for (const cut of [1_000, 3, 65_536]) {
      const pieces = [Buffer.alloc(32), Buffer.alloc(0), Buffer.alloc(19_968)];
      const sink: Sink = (length) => (length === 20_000 ? pieces : undefined);
      const replies: Reply[] = [];
      let sinks = [sink];
      const parser = createParser({
        onReply: (reply) => {
          replies.push(reply);
          sinks = [];
        },
        sinkOfNext: () => sinks[0],
      });
      const scratch = Buffer.alloc(cut);
      let direct = 0;
      for (let at = 0; at < stream.length;) {
        const target = parser.target() ?? scratch;
        const count = Math.min(target.length, cut, stream.length - at);
        stream.copy(target, 0, at, at + count);
        if (parser.filled(target, count)) direct += count;
        else parser.feed(scratch.subarray(0, count));
        at += count;
      }
      assert.deepEqual(Buffer.concat(pieces), value);
      assert.deepEqual(replies.map(textOf), ['', 'after']);
      if (cut <= 1_000) assert.ok(direct > 10_000, 'most bytes were not copied');
    }
  });
});

describe('wire', () => {
  const sha = 'ab'.repeat(32);
  const bucket = { index: 0, start: 2, end: 8 };
  const values = Float32Array.of(1, 2, 3, 4, 5, 0.1);

  it('carries float32 and bf16 parts with the hash of the weights', () => {
    for (const format of ['float32', 'bf16'] as const) {
      const wire = { format, roundedLength: 5 };
      const halves = createHalves();
      const message = Buffer.concat(encodePart(wire, bucket, values, sha, halves).pieces);
      assert.equal(message.length, 32 + (format === 'bf16' ? 3 * 2 + 3 * 4 : 6 * 4));
      const into = new Float32Array(6);
      const found = incoming(wire, bucket, into, halves);
      assert.equal(found.sink(message.length - 1), undefined);
      assert.equal(found.arrived(), false);
      let at = 0;
      for (const piece of found.sink(message.length) ?? []) {
        piece.set(message.subarray(at, (at += piece.length)));
      }
      found.settle();
      assert.deepEqual([found.arrived(), found.weightsSha256()], [true, sha]);
      assert.deepEqual(into, values);
      assert.equal(messageBytes(wire, bucket), message.length);
    }
  });
});

describe('tensor keys', () => {
  it('are read as they are written', () => {
    const position = { life: 2, step: 41, attempt: 1 };
    for (const node of [undefined, { lo: 4, hi: 8 }]) {
      const key = { position, bucket: 3, node };
      assert.deepEqual(parseTensorKey('run', tensorKey('run', key)), key);
    }
    for (const other of [
      'view',
      '{run}:view',
      '{other}:p:1:1.0:0:0-1',
      '{run}:p:1:1.0:0',
      '{run}:x:1:1.0:0',
    ]) {
      assert.equal(parseTensorKey('run', other), undefined, other);
    }
  });
});
