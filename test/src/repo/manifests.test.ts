import assert from 'node:assert/strict';
import { existsSync, readFileSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { repository } from '../support/data.js';

interface Manifest {
  scripts?: Record<string, string>;
  dependencies?: Record<string, string>;
}

interface LockEntry {
  link?: boolean;
  resolved?: string;
  integrity?: string;
}

const read = (path: string) => readFileSync(join(repository, path), 'utf8');
const readJson = (path: string): unknown => JSON.parse(read(path));

describe('manifests', () => {
  const root = readJson('package.json') as Manifest;
  const packages = readdirSync(join(repository, 'packages')).map((name) => `packages/${name}`);

  it('name scripts whose files exist', () => {
    const files = Object.values(root.scripts ?? {}).flatMap(
      (script) => /^node (\S+)/.exec(script)?.[1] ?? [],
    );
    assert.ok(files.length >= 5);
    const missing = files.filter(
      (file) =>
        !existsSync(join(repository, file.replace('/dist/', '/src/').replace(/(?<=\/src\/.*)\.js$/, '.ts'))),
    );
    assert.deepEqual(missing, []);
  });

  for (const folder of packages)
    it(`of ${folder} list the same workspaces as its project references`, () => {
      const { dependencies = {} } = readJson(`${folder}/package.json`) as Manifest;
      const { references } = readJson(`${folder}/tsconfig.json`) as { references: { path: string }[] };
      const listed = Object.keys(dependencies).filter((name) => name.startsWith('@lvnet/'));
      assert.deepEqual(references.map(({ path }) => path.replace('../', '@lvnet/')).sort(), listed.sort());
    });

  it('pin every library exactly', () => {
    const loose = packages.flatMap((folder) =>
      Object.entries((readJson(`${folder}/package.json`) as Manifest).dependencies ?? {}).filter(
        ([, version]) => !/^\d+\.\d+\.\d+$/.test(version),
      ),
    );
    assert.deepEqual(loose, []);
  });
});

describe('the lock file', () => {
  const { packages } = readJson('package-lock.json') as { packages: Record<string, LockEntry> };
  const libraries = Object.entries(packages).filter(
    ([path, { link }]) => path.includes('node_modules/') && link !== true,
  );

  it('names no host that packages come from', () => {
    const resolved = Object.values(packages).filter(
      (entry) => entry.link !== true && entry.resolved !== undefined,
    );
    assert.deepEqual(resolved, []);
  });

  it('has the hash of every library', () => {
    assert.ok(libraries.length > 100);
    assert.deepEqual(
      libraries.filter(([, { integrity }]) => integrity === undefined),
      [],
    );
  });
});
