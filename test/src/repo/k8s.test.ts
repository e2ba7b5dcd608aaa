import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Context } from 'mocha';
import { repository, temporaryFolder } from '../support/data.js';
import { pythonTools, runTool } from '../support/tools.js';

type Labels = Record<string, string>;

interface Probe {
  httpGet?: { path: string; port: string };
  tcpSocket?: { port: string };
  exec?: { command: string[] };
}

interface Container {
  name: string;
  image: string;
  args?: string[];
  ports?: { name: string; containerPort: number }[];
  env?: { name: string; valueFrom?: { resourceFieldRef?: { containerName: string } } }[];
  envFrom?: { configMapRef?: { name: string }; secretRef?: { name: string; optional?: boolean } }[];
  readinessProbe?: Probe;
  livenessProbe?: Probe;
  startupProbe?: Probe;
  resources?: { requests?: Labels; limits?: Labels };
  securityContext?: Record<string, unknown>;
  volumeMounts?: { name: string }[];
}

interface PodTemplate {
  metadata: { labels: Labels; annotations?: Labels };
  spec: { containers: Container[]; securityContext?: Record<string, unknown>; volumes?: { name: string }[] };
}

interface Manifest {
  kind: string;
  metadata: { name: string; namespace?: string; labels?: Labels };
  data?: Labels;
  spec?: {
    selector?: Labels & { matchLabels?: Labels };
    template?: PodTemplate;
    serviceName?: string;
    ports?: { targetPort: string }[];
    podSelector?: { matchExpressions: { values: string[] }[] };
    volumeClaimTemplates?: { metadata: { name: string } }[];
  };
}

const kustomizations = ['base', 'overlays/scans'];
const knownVariables =
  /^(LVNET_(REDIS_URL|TENSOR_REDIS_URL|STORE|METRICS_PORT|LOG_LEVEL|TOKEN|THREADS)|AWS_\w+)$/;

function build(context: Context, name: string): { text: string; manifests: Manifest[] } {
  const tools = pythonTools(context);
  const { status, output } = runTool(tools.kubectl, ['kustomize', join(repository, 'k8s', name)]);
  assert.equal(status, 0, output);
  return { text: output, manifests: tools.parseYaml(output) as Manifest[] };
}

const templates = (manifests: Manifest[]) =>
  manifests.flatMap(({ metadata, spec }) =>
    spec?.template === undefined ? [] : [{ name: metadata.name, spec, template: spec.template }],
  );

const containersOf = (manifests: Manifest[]) =>
  templates(manifests).flatMap(({ name, spec, template }) =>
    template.spec.containers.map((container) => ({ name, spec, template, container })),
  );

const isSubset = (wanted: Labels, labels: Labels) =>
  Object.entries(wanted).every(([key, value]) => labels[key] === value);

for (const name of kustomizations) {
  describe(`k8s/${name}`, () => {
    const temporary = temporaryFolder();
    let text = '';
    let manifests: Manifest[] = [];

    before(function () {
      this.timeout(240_000);
      ({ text, manifests } = build(this, name));
    });

    it('is valid, unknown fields included', function () {
      const path = join(temporary.path(), 'all.yaml');
      writeFileSync(path, text);
      const tools = pythonTools(this);
      const { status, output } = tools.kubernetesValidate(['--strict', '-k', '1.34', path]);
      assert.equal(status, 0, output);
      assert.equal(output.match(/passed for resource/g)?.length, manifests.length, output);
    });

    it('fits any namespace and brings no secrets', () => {
      for (const { kind, metadata } of manifests) {
        assert.ok(!['Secret', 'Namespace'].includes(kind), kind);
        assert.equal(metadata.namespace, undefined);
      }
      assert.doesNotMatch(text, /SECRET_ACCESS_KEY|LVNET_TOKEN|password/i);
    });

    it('has selectors that find their pods', () => {
      for (const { kind, metadata, spec } of manifests) {
        if (kind === 'ConfigMap' || kind === 'NetworkPolicy') continue;
        const wanted = spec?.selector?.matchLabels ?? spec?.selector ?? {};
        const found = templates(manifests).filter(({ template }) =>
          isSubset(wanted, template.metadata.labels),
        );
        assert.ok(Object.keys(wanted).length > 0, metadata.name);
        assert.deepEqual(
          found.map((one) => one.name),
          [metadata.name],
        );
        const ports = found.flatMap(({ template }) => template.spec.containers).flatMap((c) => c.ports ?? []);
        if (kind !== 'Service') continue;
        for (const { targetPort } of spec?.ports ?? []) {
          assert.ok(
            ports.some((port) => port.name === targetPort),
            `${metadata.name} ${targetPort}`,
          );
        }
      }
    });

    it('lets those that are configured with a Redis reach it', () => {
      const policy = manifests.find(({ kind }) => kind === 'NetworkPolicy');
      const guarded = policy?.spec?.podSelector?.matchExpressions.flatMap(({ values }) => values) ?? [];
      const redis = containersOf(manifests).filter(({ container }) => container.image.startsWith('redis:'));
      assert.deepEqual(guarded.sort(), redis.map((one) => one.name).sort());
      const data = manifests.find(({ kind }) => kind === 'ConfigMap')?.data ?? {};
      for (const key of ['LVNET_REDIS_URL', 'LVNET_TENSOR_REDIS_URL']) {
        const host = new URL(data[key] ?? '').hostname;
        assert.ok(guarded.includes(host), host);
        assert.ok(manifests.some(({ kind, metadata }) => kind === 'Service' && metadata.name === host));
      }
      for (const { container, template } of containersOf(manifests)) {
        const client = template.metadata.labels['lvnet/redis-client'] === 'true';
        assert.equal(client, container.envFrom !== undefined, container.name);
      }
    });

    it('refers only to what is there', () => {
      const names = new Set(manifests.map(({ kind, metadata }) => `${kind}/${metadata.name}`));
      for (const { spec, template, container } of containersOf(manifests)) {
        for (const { configMapRef, secretRef } of container.envFrom ?? []) {
          if (configMapRef !== undefined) assert.ok(names.has(`ConfigMap/${configMapRef.name}`));
          if (secretRef !== undefined) assert.equal(secretRef.optional, true);
        }
        const claims = spec.volumeClaimTemplates?.map((claim) => claim.metadata.name) ?? [];
        const volumes = new Set([...claims, ...(template.spec.volumes ?? []).map((volume) => volume.name)]);
        for (const mount of container.volumeMounts ?? []) assert.ok(volumes.has(mount.name), mount.name);
        for (const { name: variable, valueFrom } of container.env ?? []) {
          assert.match(variable, knownVariables);
          assert.equal(valueFrom?.resourceFieldRef?.containerName, container.name);
        }
        if (spec.serviceName !== undefined) assert.ok(names.has(`Service/${spec.serviceName}`));
      }
      const config = manifests.find(({ kind }) => kind === 'ConfigMap')?.data ?? {};
      for (const variable of Object.keys(config)) assert.match(variable, knownVariables);
    });

    it('probes every container on a port that it has', () => {
      for (const { template, container } of containersOf(manifests)) {
        const { readinessProbe, livenessProbe } = container;
        assert.ok(readinessProbe !== undefined && livenessProbe !== undefined, container.name);
        const ports = new Map((container.ports ?? []).map((port) => [port.name, port.containerPort]));
        for (const probe of [readinessProbe, livenessProbe]) {
          const port = probe.httpGet?.port ?? probe.tcpSocket?.port;
          if (port !== undefined) assert.ok(ports.has(port), `${container.name} ${port}`);
          if (probe.httpGet !== undefined) assert.equal(probe.httpGet.path, '/healthz');
        }
        const scraped = template.metadata.annotations?.['prometheus.io/port'];
        if (scraped !== undefined) assert.ok([...ports.values()].includes(Number(scraped)));
      }
    });

    it('gives no container more rights than it needs, and bounds its memory', () => {
      const quantity = /^\d+(\.\d+)?(m|[KMGT]i)?$/;
      for (const { template, container } of containersOf(manifests)) {
        assert.equal(template.spec.securityContext?.['runAsNonRoot'], true);
        assert.deepEqual(container.securityContext, {
          allowPrivilegeEscalation: false,
          readOnlyRootFilesystem: true,
          capabilities: { drop: ['ALL'] },
        });
        assert.match(container.image, /^[a-z]+:[\w.-]+$/);
        assert.doesNotMatch(container.image, /:latest$/);
        assert.ok(container.resources?.limits?.['memory'] !== undefined, container.name);
        const { requests = {}, limits = {} } = container.resources;
        for (const value of [...Object.values(requests), ...Object.values(limits)])
          assert.match(value, quantity);
      }
    });
  });
}
