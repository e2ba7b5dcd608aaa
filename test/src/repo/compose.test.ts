import assert from 'node:assert/strict';
import { cpSync, existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { repository, temporaryFolder } from '../support/data.js';
import { findPromtool, pythonTools, runTool } from '../support/tools.js';

interface Service {
  image: string;
  build?: { context: string; dockerfile: string };
  command?: string[];
  ports?: string[];
  volumes?: string[];
  environment?: Record<string, string | null>;
  depends_on?: string[] | Record<string, unknown>;
  healthcheck?: unknown;
}

interface Compose {
  services: Record<string, Service>;
  volumes: Record<string, unknown>;
}

const at = (path: string) => join(repository, path);
const composeText = readFileSync(at('compose.yaml'), 'utf8');
const dockerfile = readFileSync(at('infra/docker/Dockerfile'), 'utf8');
const prometheusText = readFileSync(at('infra/docker/prometheus.yml'), 'utf8');

describe('compose.yaml', () => {
  let compose: Compose = { services: {}, volumes: {} };

  before(function () {
    this.timeout(240_000);
    [compose] = pythonTools(this).parseYaml(composeText) as [Compose];
  });

  it('passes its linter', () => {
    const linter = at('node_modules/dclint/bin/dclint.cjs');
    const { status, output } = runTool(process.execPath, [linter, '--max-warnings', '0', at('compose.yaml')]);
    assert.equal(status, 0, output);
  });

  it('refers only to services, volumes and files that exist', () => {
    const used = new Set<string>();
    for (const [name, service] of Object.entries(compose.services)) {
      const needed = service.depends_on ?? [];
      for (const other of Array.isArray(needed) ? needed : Object.keys(needed)) {
        assert.ok(other in compose.services, `${name} needs ${other}`);
      }
      for (const volume of service.volumes ?? []) {
        if (volume.startsWith('$')) continue; // the user's scans
        const source = volume.split(':')[0] ?? '';
        if (source.startsWith('.')) assert.ok(existsSync(at(source)), source);
        else used.add(source);
      }
      if (service.build !== undefined) assert.ok(existsSync(at(service.build.dockerfile)));
    }
    assert.deepEqual([...used].sort(), Object.keys(compose.volumes).sort());
  });

  it('waits for Redis until it answers', () => {
    for (const name of ['coordinator', 'worker']) {
      const needed = compose.services[name]?.depends_on ?? {};
      assert.deepEqual(Object.keys(needed), ['redis-control', 'redis-tensors']);
      for (const other of Object.keys(needed)) assert.ok(compose.services[other]?.healthcheck !== undefined);
    }
  });

  it('points its processes at services, and the store at a volume', () => {
    const environment = compose.services['worker']?.environment ?? {};
    for (const key of ['LVNET_REDIS_URL', 'LVNET_TENSOR_REDIS_URL']) {
      assert.ok(new URL(environment[key] ?? '').hostname in compose.services, key);
    }
    const folder = /file:\/\/([^}]+)/.exec(environment['LVNET_STORE'] ?? '')?.[1] ?? '';
    assert.ok(compose.services['worker']?.volumes?.includes(`store:${folder}`));
    assert.ok(dockerfile.includes(folder), 'the image must own the folder, or the volume belongs to root');
  });

  it('keeps secrets out of the file and every port on this machine', () => {
    for (const { environment, ports } of Object.values(compose.services)) {
      for (const key of ['AWS_SECRET_ACCESS_KEY', 'AWS_ACCESS_KEY_ID', 'LVNET_TOKEN']) {
        assert.equal(environment?.[key] ?? null, null);
      }
      for (const port of ports ?? []) assert.match(port, /^127\.0\.0\.1:/);
    }
  });

  it('starts Redis so that it is accepted: it never evicts, and only control has a log', () => {
    for (const [name, appendOnly] of [
      ['redis-control', 'yes'],
      ['redis-tensors', 'no'],
    ] as const) {
      const command = compose.services[name]?.command ?? [];
      assert.equal(command[command.indexOf('--maxmemory-policy') + 1], 'noeviction');
      assert.equal(command[command.indexOf('--appendonly') + 1], appendOnly);
      assert.equal(command[command.indexOf('--save') + 1], '');
    }
  });

  it('lets Prometheus find every process, and Grafana find Prometheus', () => {
    for (const [, name = ''] of prometheusText.matchAll(/names: \[(\w+)\]/g)) {
      assert.ok(name in compose.services, name);
    }
    const port = compose.services['worker']?.environment?.['LVNET_METRICS_PORT'] ?? '';
    assert.equal(prometheusText.match(new RegExp(`port: ${port}\\b`, 'g'))?.length, 2);
    const source = readFileSync(at('infra/docker/grafana/datasource.yml'), 'utf8');
    assert.match(source, /url: http:\/\/prometheus:9090$/m);
    const provider = readFileSync(at('infra/docker/grafana/dashboards.yml'), 'utf8');
    const folder = /path: (\S+)/.exec(provider)?.[1] ?? '';
    assert.ok(
      compose.services['grafana']?.volumes?.includes(`./dashboards/lvnet.json:${folder}/lvnet.json:ro`),
    );
  });
});

describe('the Prometheus configuration', () => {
  const temporary = temporaryFolder();

  it('is accepted together with the alerts', function () {
    const promtool = findPromtool(this);
    cpSync(at('infra/docker/prometheus.yml'), join(temporary.path(), 'prometheus.yml'));
    cpSync(at('dashboards/alerts.yml'), join(temporary.path(), 'alerts.yml'));
    const { status, output } = runTool(promtool, [
      'check',
      'config',
      join(temporary.path(), 'prometheus.yml'),
    ]);
    assert.equal(status, 0, output);
    assert.match(output, /9 rules found/);
  });
});

describe('the Dockerfile', () => {
  it('passes its linter', function () {
    this.timeout(240_000);
    const { status, output } = runTool(pythonTools(this).hadolint, [at('infra/docker/Dockerfile')]);
    assert.equal(status, 0, output);
  });

  it('runs only scripts and files that exist, with the Node version that the project asks for', () => {
    for (const [, script = ''] of dockerfile.matchAll(/node (infra\/\S+)/g))
      assert.ok(existsSync(at(script)), script);
    const linked = /ln -s \/lvnet\/(\S+)/.exec(dockerfile)?.[1] ?? '';
    assert.ok(existsSync(at(linked)), linked);
    const { engines } = JSON.parse(readFileSync(at('package.json'), 'utf8')) as { engines: { node: string } };
    const [version, least] = [/NODE_VERSION=(\d+)/.exec(dockerfile)?.[1], /\d+/.exec(engines.node)?.[0]];
    assert.ok(Number(version) >= Number(least));
  });

  it('leaves what was built elsewhere, and scans, out of the image', () => {
    const ignored = readFileSync(at('infra/docker/Dockerfile.dockerignore'), 'utf8').split('\n');
    for (const pattern of [
      '**/node_modules',
      '**/dist',
      '**/build',
      '**/*.tsbuildinfo',
      'scans',
      'lvnet-data',
    ]) {
      assert.ok(ignored.includes(pattern), pattern);
    }
  });
});
