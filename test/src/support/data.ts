import { existsSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { Context } from 'mocha';

export const repository = fileURLToPath(new URL('../../..', import.meta.url));

/** Real CT beside the repository; without it the test skips and says so, in CI it fails. */
export function realCt(context: Context, name: string): string {
  const root = process.env['LVNET_TEST_DATA'] ?? join(repository, '..', 'shared', 'data');
  const folder = join(root, name);
  if (existsSync(folder)) return folder;
  if (process.env['CI'] !== undefined) throw new Error(`${folder} is missing: CI needs the real scans`);
  process.stderr.write(`      skipped: no real scans at ${folder}\n`);
  context.skip();
}

/** A folder that goes away with the test file. */
export function temporaryFolder(): { path: () => string } {
  let path = '';
  before(async () => {
    path = await mkdtemp(join(tmpdir(), 'lvnet-test-'));
  });
  after(async () => {
    await rm(path, { recursive: true, force: true, maxRetries: 5, retryDelay: 200 });
  });
  return { path: () => path };
}

/** For a suite: closes at its end what its `before` came to open, the last first. A suite that was skipped opened nothing. */
export function untilEnd(): <T extends AsyncDisposable>(opened: T) => T {
  const open: AsyncDisposable[] = [];
  after(async () => {
    for (const item of open.reverse()) await item[Symbol.asyncDispose]();
  });
  return (opened) => {
    open.push(opened);
    return opened;
  };
}
