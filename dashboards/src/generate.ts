import { readFileSync, writeFileSync } from 'node:fs';
import { metricSpecs } from '@lvnet/telemetry';
import { layOut, type Json, type RowSpec } from './panels.js';
import { rows } from './rows.js';

/** The dashboard in Grafana's JSON model; the data source and the runs are chosen at the top of the page. */
function dashboard(content: readonly RowSpec[]): Json {
  return {
    uid: 'lvnet',
    title: 'lvnet',
    description: 'Training of LV-Net: what is learnt, where the time goes, what faults cost.',
    tags: ['lvnet'],
    schemaVersion: 41,
    version: 1,
    editable: true,
    graphTooltip: 1,
    refresh: '10s',
    time: { from: 'now-1h', to: 'now' },
    timezone: 'browser',
    annotations: { list: [] },
    links: [],
    templating: { list: [dataSourceVariable, runVariable] },
    panels: layOut(content),
  };
}

const dataSourceVariable: Json = {
  name: 'datasource',
  label: 'Data source',
  type: 'datasource',
  query: 'prometheus',
  current: {},
  refresh: 1,
  hide: 0,
  multi: false,
  includeAll: false,
};

const runVariable: Json = {
  name: 'run',
  label: 'Run',
  type: 'query',
  datasource: { type: 'prometheus', uid: '${datasource}' },
  query: { query: `label_values(${metricSpecs.step.name}, run)`, refId: 'run' },
  definition: `label_values(${metricSpecs.step.name}, run)`,
  current: { text: ['All'], value: ['$__all'] },
  allValue: '.*',
  refresh: 2,
  sort: 1,
  hide: 0,
  multi: true,
  includeAll: true,
};

const target = new URL('../lvnet.json', import.meta.url);
const text = `${JSON.stringify(dashboard(rows), null, 2)}\n`;
if (!process.argv.includes('--check')) {
  writeFileSync(target, text);
} else if (readFileSync(target, 'utf8') !== text) {
  process.stderr.write('dashboards/lvnet.json is not what dashboards/src makes.\nRun: npm run dashboards\n');
  process.exitCode = 1;
}
