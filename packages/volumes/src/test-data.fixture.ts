import { encodeNifti, type NiftiContent } from './nifti/write.js';
import { existsSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

/** A folder that is gone when the tests of the calling suite are over. */
export function temporaryFolder(): { path: (name: string) => string } {
  let folder = '';
  before(async () => {
    folder = await mkdtemp(join(tmpdir(), 'lvnet-volumes-'));
  });
  after(async () => {
    await rm(folder, { recursive: true, force: true });
  });
  return { path: (name) => join(folder, name) };
}

/** Where the real CT for tests lies. */
export const realData =
  process.env['LVNET_TEST_DATA'] ??
  join(fileURLToPath(new URL('../../../', import.meta.url)), '..', 'shared', 'data');

/** Skips the calling suite where there is no real CT, which in CI is an error. */
export function needRealData(): void {
  before(function () {
    if (existsSync(realData)) return;
    if (process.env['CI'] !== undefined) throw new Error(`No test data in ${realData}.`);
    process.stderr.write(`      skipped: no real CT in ${realData}, set LVNET_TEST_DATA\n`);
    this.skip();
  });
}

/** A small sound .nii file whose header bytes a test then changes. */
export function smallNifti(o: Partial<NiftiContent> = {}): Buffer {
  return Buffer.from(
    encodeNifti({
      voxels: Int16Array.from({ length: 24 }, (_, i) => i - 5),
      shape: [2, 3, 4],
      affine: [-2, 0, 0, 10, 0, 3, 0, -20, 0, 0, 4, 30, 0, 0, 0, 1],
      ...o,
    }),
  );
}
