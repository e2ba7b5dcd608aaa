import assert from 'node:assert/strict';
import { Failure } from '@lvnet/core';
import { createLogger } from './logger.js';
import { lineRedactor } from './redaction.js';

function recorder(env: NodeJS.ProcessEnv = {}) {
  const lines: string[] = [];
  const logger = createLogger({ process: 'test', env, sink: { write: (line) => void lines.push(line) } });
  return { logger, lines, parsed: () => lines.map((line) => JSON.parse(line) as Record<string, unknown>) };
}

describe('logger', () => {
  it('writes one JSON object a line with level, process, message and fields', () => {
    const { logger, lines, parsed } = recorder();
    logger.child({ run: 'r1' }).info('step committed', { step: 3 });
    assert.equal(lines.length, 1);
    const { level, process, msg, run, step } = parsed()[0] ?? {};
    assert.deepEqual(
      { level, process, msg, run, step },
      { level: 'info', process: 'test', msg: 'step committed', run: 'r1', step: 3 },
    );
  });

  it('takes its level from LVNET_LOG_LEVEL and refuses an unknown one', () => {
    const { logger, lines } = recorder({ LVNET_LOG_LEVEL: 'warn' });
    logger.info('not this');
    logger.warn('this');
    assert.equal(lines.length, 1);
    assert.throws(
      () => recorder({ LVNET_LOG_LEVEL: 'loud' }),
      (e) => e instanceof Failure && e.code === 'ARGUMENT_INVALID',
    );
  });

  it('shows a failure with its code and its cause', () => {
    const { logger, parsed } = recorder();
    const cause = new Error('socket closed');
    logger.error('no store', {
      error: new Failure('STORE_UNREACHABLE', { n: 1 }, { message: 'm', hint: 'h', cause }),
    });
    const error = parsed()[0]?.['error'] as Record<string, unknown>;
    assert.equal(error['code'], 'STORE_UNREACHABLE');
    assert.equal((error['cause'] as Record<string, unknown>)['message'], 'socket closed');
  });

  it('never writes a secret, wherever it stands', () => {
    const env = {
      AWS_SECRET_ACCESS_KEY: 'wJalr/"quoted"+key',
      LVNET_TOKEN: 'token-0123456789',
      LVNET_REDIS_URL: 'rediss://user:pa%24%24word@host:6379/0',
    };
    const { logger, lines } = recorder(env);
    logger.info(`connecting to ${env.LVNET_REDIS_URL} with ${env.LVNET_TOKEN}`, {
      cause: new Error(env.AWS_SECRET_ACCESS_KEY).message,
      nested: { url: 'redis://:hunter2@other:1/', password: 'p"w', AWS_SESSION_TOKEN: 'short' },
      decoded: 'pa$$word',
    });
    logger.child({ token: 'abc' }).warn('with a child');
    const all = lines.join('');
    for (const secret of ['wJalr', '0123456789', 'pa%24', 'hunter2', 'p\\"w', 'short', 'pa$$word', '"abc"']) {
      assert.ok(!all.includes(secret), `${secret} leaked: ${all}`);
    }
    assert.ok(all.includes('redis://:***@other:1/') && all.includes('rediss://user:***@host:6379/0'));
  });

  it('leaves ordinary lines alone', () => {
    const line = '{"url":"http://127.0.0.1:9000/a:b@c","path":"file:///data","AWS_REGION":"eu-west-1"}';
    assert.equal(lineRedactor({ AWS_REGION: 'eu-west-1', LVNET_TOKEN: 'k' })(line), line);
  });
});
