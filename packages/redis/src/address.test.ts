import assert from 'node:assert/strict';
import { parseRedisUrl, redactUrl } from './address.js';

const table: [string, object][] = [
  ['redis://127.0.0.1:7000', { host: '127.0.0.1', port: 7000, tls: false, db: 0 }],
  ['redis://host', { host: 'host', port: 6379, tls: false, db: 0 }],
  ['redis://[::1]:7000/3', { host: '::1', port: 7000, tls: false, db: 3 }],
  ['rediss://me:p%40ss@h:1/2', { host: 'h', port: 1, tls: true, db: 2, username: 'me', password: 'p@ss' }],
  ['redis://:secret@h', { host: 'h', port: 6379, tls: false, db: 0, password: 'secret' }],
  ['unix:///tmp/a%20b.sock?db=4', { path: '/tmp/a b.sock', tls: false, db: 4 }],
];

describe('parseRedisUrl', () => {
  for (const [url, expected] of table) {
    it(`reads ${url}`, () => {
      assert.deepEqual(parseRedisUrl(url), expected);
    });
  }
  for (const url of ['', 'host:6379', 'http://host', 'redis://h/x', 'unix://']) {
    it(`refuses '${url}'`, () => {
      assert.throws(() => parseRedisUrl(url), { code: 'ARGUMENT_INVALID' });
    });
  }
});

describe('redactUrl', () => {
  it('hides the password and keeps the rest', () => {
    assert.equal(redactUrl('redis://me:secret@h:1/2'), 'redis://me:***@h:1/2');
    assert.equal(redactUrl('redis://:secret@h'), 'redis://:***@h');
    assert.equal(redactUrl('redis://h:1'), 'redis://h:1');
  });
});
