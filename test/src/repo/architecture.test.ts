import assert from 'node:assert/strict';
import { cpSync, mkdirSync, readdirSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { repository, temporaryFolder } from '../support/data.js';
import { runTool } from '../support/tools.js';

const cruiser = join(repository, 'node_modules/dependency-cruiser/bin/dependency-cruise.mjs');
const rules = join(repository, 'infra/check/dependency-rules.mjs');

interface Violation {
  from: string;
  rule: { name: string };
}

interface Plant {
  what: string;
  /** Text by file; the first file is the one to be refused. */
  files: Record<string, string>;
  /** The rules that must refuse it, by name. */
  rules: string[];
}

const planted: Plant[] = [
  plant('upward', 'core', "import '@lvnet/redis';", 'layer-upward'),
  plant('sideways', 'queue', "import '@lvnet/exchange';", 'layer-sideways'),
  plant('unlisted', 'reports', "import '@lvnet/engine';", 'workspace-unlisted'),
  plant('deep', 'exchange', "import '../../redis/src/keys.js';", 'front-door'),
  plant('deep by name', 'checkpoints', "import '@lvnet/redis/keys';", 'not-resolvable'),
  plant('wrong owner', 'worker', "import 'ioredis';", 'library-owner', 'library-unlisted'),
  plant(
    'type of a wrong owner',
    'training',
    "import type { Redis } from 'ioredis';\nexport type Planted = Redis;",
    'library-owner',
    'library-unlisted',
  ),
  plant('unlisted library', 'evaluation', "import 'semver';", 'library-unlisted'),
  plant('support of tests', 'store', "import './s3-server.fixture.js';", 'test-only'),
  plant('development tool', 'volumes', "import 'fast-check';", 'test-only'),
  {
    what: 'deep from a test',
    files: { 'test/src/planted.ts': "import '../../packages/redis/src/keys.js';" },
    rules: ['front-door'],
  },
  {
    what: 'cycle',
    files: {
      'packages/networks/src/planted-a.ts': "import './planted-b.js';",
      'packages/networks/src/planted-b.ts': "import './planted-a.js';",
    },
    rules: ['no-cycle'],
  },
];

function plant(what: string, name: string, text: string, ...rules: string[]): Plant {
  return { what, files: { [`packages/${name}/src/planted.ts`]: text }, rules };
}

describe('the architecture that the manifests tell', function () {
  this.timeout(60_000);
  const folder = temporaryFolder();
  let violations: Violation[];

  before(() => {
    copyWorkspaces(folder.path());
    for (const { files } of planted)
      for (const [file, text] of Object.entries(files)) writeFileSync(join(folder.path(), file), `${text}\n`);
    violations = cruise(folder.path());
  });

  for (const { what, files, rules: expected } of planted)
    it(`refuses an import: ${what}`, () => {
      const found = violations.filter(({ from }) => Object.keys(files)[0] === from);
      assert.deepEqual([...new Set(found.map(({ rule }) => rule.name))].sort(), expected);
    });

  it('finds nothing else', () => {
    const files = planted.flatMap((item) => Object.keys(item.files));
    assert.deepEqual(
      violations.filter(({ from }) => !files.includes(from)),
      [],
    );
  });

  it('refuses a manifest that lists a package above it, or a library with two owners', () => {
    const manifest = (dependencies: Record<string, string>) =>
      JSON.stringify({ name: '@lvnet/core', lvnet: { layer: 0 }, dependencies });
    const path = join(folder.path(), 'packages/core/package.json');
    writeFileSync(path, manifest({ '@lvnet/cli': '0.1.0' }));
    assert.match(
      cruiseOutput(folder.path()),
      /@lvnet\/core lists @lvnet\/cli, which is not in a layer below it/,
    );
    writeFileSync(path, manifest({ ioredis: '6.0.0' }));
    assert.match(cruiseOutput(folder.path()), /@lvnet\/redis and @lvnet\/core both list ioredis/);
  });
});

/** Manifests and sources, and a node_modules whose workspaces are these copies. */
function copyWorkspaces(target: string): void {
  const packages = readdirSync(join(repository, 'packages')).map((name) => `packages/${name}`);
  for (const workspace of [...packages, 'test'])
    for (const part of ['package.json', 'src'])
      cpSync(join(repository, workspace, part), join(target, workspace, part), { recursive: true });
  cpSync(join(repository, 'package.json'), join(target, 'package.json'));
  mkdirSync(join(target, 'node_modules/@lvnet'), { recursive: true });
  for (const name of readdirSync(join(repository, 'node_modules')).filter((name) => name !== '@lvnet'))
    symlinkSync(join(repository, 'node_modules', name), join(target, 'node_modules', name));
  for (const workspace of packages)
    symlinkSync(join(target, workspace), join(target, 'node_modules/@lvnet', workspace.slice(9)));
}

function cruise(cwd: string): Violation[] {
  const { summary } = JSON.parse(cruiseOutput(cwd)) as { summary: { violations: Violation[] } };
  return summary.violations;
}

function cruiseOutput(cwd: string): string {
  const args = [cruiser, '--config', rules, '--output-type', 'json', 'packages', 'test'];
  return runTool(process.execPath, args, { cwd }).output;
}
