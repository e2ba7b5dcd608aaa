import assert from 'node:assert/strict';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { metricTable, type MetricSpec } from '@lvnet/telemetry';
import { repository, temporaryFolder } from '../support/data.js';
import { findPromtool, runTool } from '../support/tools.js';

interface Panel {
  id: number;
  title: string;
  type: string;
  gridPos: { x: number; y: number; w: number; h: number };
  targets?: { expr: string; legendFormat: string }[];
}

const folder = join(repository, 'dashboards');
const dashboardText = readFileSync(join(folder, 'lvnet.json'), 'utf8');
const alertsText = readFileSync(join(folder, 'alerts.yml'), 'utf8');
const panels = (JSON.parse(dashboardText) as { panels: Panel[] }).panels;
const queries = panels.flatMap((panel) =>
  (panel.targets ?? []).map((target) => ({ title: panel.title, ...target })),
);
const alertExpressions = [
  ...alertsText.matchAll(/^ +expr: (?:>-\n)?((?:.|\n)*?)(?=^ +(?:for|labels):)/gm),
].map((match) => match[1] ?? '');

/** `lvnet_step_seconds_bucket{run=~"a"}` as name, row of the table and labels used in the braces. */
function selectors(text: string): { name: string; spec: MetricSpec | undefined; labels: string[] }[] {
  return [...text.matchAll(/\b(lvnet_\w+)(?:\{([^}]*)\})?/g)].map(([, name = '', inside = '']) => ({
    name,
    spec: metricTable.find((spec) => seriesNames(spec).includes(name)),
    labels: [...inside.matchAll(/(\w+)\s*(?:=~|!~|!=|=)/g)].map(([, label = '']) => label),
  }));
}

const seriesNames = (spec: MetricSpec): string[] =>
  spec.type === 'histogram' ? [`${spec.name}_bucket`, `${spec.name}_sum`, `${spec.name}_count`] : [spec.name];

/** Labels in `by (...)`, `on (...)` and legends. */
function groupingLabels(text: string): string[] {
  const lists = [...text.matchAll(/\b(?:by|on) \(([^)]*)\)/g)].flatMap(([, list = '']) => list.split(','));
  const legends = [...text.matchAll(/\{\{\s*(?:\$labels\.)?(\w+)\s*\}\}/g)].map(([, label = '']) => label);
  return [...lists, ...legends].map((label) => label.trim()).filter((label) => label !== '');
}

describe('the dashboard', () => {
  it('in the repository is what its source makes', () => {
    const { status, output } = runTool(process.execPath, [join(folder, 'dist/generate.js'), '--check']);
    assert.equal(status, 0, output);
  });

  it('has unique ids and panels that neither overlap nor stick out', () => {
    assert.equal(new Set(panels.map((panel) => panel.id)).size, panels.length);
    const taken = new Map<string, string>();
    for (const { title, gridPos } of panels) {
      assert.ok(gridPos.x + gridPos.w <= 24, title);
      for (let x = gridPos.x; x < gridPos.x + gridPos.w; x += 1) {
        for (let y = gridPos.y; y < gridPos.y + gridPos.h; y += 1) {
          const cell = `${String(x)},${String(y)}`;
          assert.equal(taken.get(cell), undefined, `${title} lies on ${taken.get(cell) ?? ''}`);
          taken.set(cell, title);
        }
      }
    }
  });

  it('shows every metric of the table', () => {
    const shown = new Set(queries.flatMap(({ expr }) => selectors(expr).map(({ spec }) => spec?.name)));
    assert.deepEqual(
      metricTable.map(({ name }) => name).filter((name) => !shown.has(name)),
      [],
    );
  });

  it('keeps to the runs that were chosen', () => {
    for (const { title, expr } of queries) {
      for (const { spec, labels } of selectors(expr)) {
        assert.equal(labels.includes('run'), spec?.labels.includes('run'), `${title}: ${expr}`);
      }
    }
  });
});

describe('queries and alerts', () => {
  const texts = [...queries.map(({ expr, legendFormat }) => `${expr} ${legendFormat}`), ...alertExpressions];

  it('are all found by this test', () => {
    assert.equal(alertExpressions.length, alertsText.match(/- alert:/g)?.length);
    assert.ok(queries.length > 15);
  });

  it('name only metrics and labels of the table', () => {
    for (const text of texts) {
      const found = selectors(text);
      assert.ok(found.length > 0, text);
      for (const { name, spec, labels } of found) {
        assert.ok(spec !== undefined, `${name} is no metric: ${text}`);
        for (const label of labels) assert.ok(spec.labels.includes(label), `${name} has no label ${label}`);
      }
      const known = new Set(['instance', 'le', ...found.flatMap(({ spec }) => spec?.labels ?? [])]);
      for (const label of groupingLabels(text)) assert.ok(known.has(label), `no label ${label}: ${text}`);
    }
  });

  it('of the alerts pass their unit tests', function () {
    const promtool = findPromtool(this);
    const check = runTool(promtool, ['check', 'rules', join(folder, 'alerts.yml')]);
    assert.equal(check.status, 0, check.output);
    const test = runTool(promtool, ['test', 'rules', join(folder, 'alerts.test.yml')]);
    assert.equal(test.status, 0, test.output);
    const tested = readFileSync(join(folder, 'alerts.test.yml'), 'utf8');
    for (const [, name = ''] of alertsText.matchAll(/- alert: (\w+)/g)) {
      assert.match(
        tested,
        new RegExp(`alertname: ${name}\\n\\s+exp_alerts:`),
        `${name} never fires in a test`,
      );
    }
  });
});

describe('every panel', () => {
  const temporary = temporaryFolder();

  it('finds data on a Prometheus that has every metric', function () {
    const promtool = findPromtool(this);
    const tests = queries.map(({ expr }) => ({
      expr: `count(${expr.replaceAll('$__rate_interval', '4m').replaceAll('$run', '.*')}) > bool 0`,
      eval_time: '20m',
      exp_samples: [{ labels: '{}', value: 1 }],
    }));
    const file = {
      evaluation_interval: '1m',
      tests: [{ interval: '1m', input_series: metricTable.flatMap(madeUpSeries), promql_expr_test: tests }],
    };
    const path = join(temporary.path(), 'panels.yml');
    writeFileSync(path, JSON.stringify(file)); // JSON is YAML
    const { status, output } = runTool(promtool, ['test', 'rules', path]);
    assert.equal(status, 0, output);
  });
});

/** Series that grow, one for every label value that a query asks for by name. */
function madeUpSeries(spec: MetricSpec): { series: string; values: string }[] {
  const values: Record<string, string[]> = { head: ['total', 'main'], phase: ['forward', 'exchange'] };
  const combinations = spec.labels.reduce<string[][]>(
    (rows, label) =>
      rows.flatMap((row) => (values[label] ?? ['x']).map((value) => [...row, `${label}="${value}"`])),
    [['instance="a:9464"']],
  );
  return combinations.flatMap((labels) =>
    seriesNames(spec).flatMap((name) => {
      const bounds = name.endsWith('_bucket')
        ? ['1', '+Inf'].map((le) => [...labels, `le="${le}"`])
        : [labels];
      return bounds.map((all) => ({ series: `${name}{${all.join(',')}}`, values: '1+1x20' }));
    }),
  );
}
