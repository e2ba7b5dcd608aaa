/** The few kinds of Grafana panels that we use, as plain values of Grafana's JSON model. */
export interface Query {
  expression: string;
  /** With `{{label}}` placeholders. */
  legend: string;
}

export interface PanelSpec {
  title: string;
  description: string;
  kind: 'timeseries' | 'stat' | 'bargauge';
  /** Grafana's unit names: s, bytes, Bps, percentunit, short, none. */
  unit: string;
  queries: readonly Query[];
  /** Of 24 columns. */
  width: number;
  decimals?: number;
  stacked?: boolean;
  logarithmic?: boolean;
  min?: number;
  max?: number;
}

export interface RowSpec {
  title: string;
  panels: readonly PanelSpec[];
}

export type Json = string | number | boolean | null | readonly Json[] | { readonly [key: string]: Json };

const datasource: Json = { type: 'prometheus', uid: '${datasource}' };
const columns = 24;
const heights: Record<PanelSpec['kind'], number> = { stat: 4, timeseries: 8, bargauge: 8 };

/** Lays rows out from top to bottom, panels from left to right; ids are the order, so they never collide. */
export function layOut(rows: readonly RowSpec[]): Json[] {
  const out: Json[] = [];
  let y = 0;
  for (const row of rows) {
    out.push(rowPanel(row.title, out.length + 1, y));
    y += 1;
    let x = 0;
    let lineHeight = 0;
    for (const spec of row.panels) {
      if (x + spec.width > columns) [x, y, lineHeight] = [0, y + lineHeight, 0];
      out.push(panel(spec, out.length + 1, { x, y, w: spec.width, h: heights[spec.kind] }));
      x += spec.width;
      lineHeight = Math.max(lineHeight, heights[spec.kind]);
    }
    y += lineHeight;
  }
  return out;
}

function rowPanel(title: string, id: number, y: number): Json {
  return { id, type: 'row', title, collapsed: false, gridPos: { x: 0, y, w: columns, h: 1 }, panels: [] };
}

function panel(spec: PanelSpec, id: number, gridPos: Json): Json {
  return {
    id,
    type: spec.kind,
    title: spec.title,
    description: spec.description,
    datasource,
    gridPos,
    fieldConfig: { defaults: fieldDefaults(spec), overrides: [] },
    options: options(spec),
    targets: spec.queries.map((query, i) => ({
      refId: String.fromCharCode(65 + i),
      datasource,
      editorMode: 'code',
      expr: query.expression,
      legendFormat: query.legend,
      range: spec.kind === 'timeseries',
      instant: spec.kind !== 'timeseries',
    })),
  };
}

function fieldDefaults(spec: PanelSpec): Json {
  return {
    unit: spec.unit,
    ...(spec.decimals === undefined ? {} : { decimals: spec.decimals }),
    ...(spec.min === undefined ? {} : { min: spec.min }),
    ...(spec.max === undefined ? {} : { max: spec.max }),
    color: { mode: spec.kind === 'timeseries' ? 'palette-classic' : 'thresholds' },
    thresholds: { mode: 'absolute', steps: [{ color: 'green', value: null }] },
    ...(spec.kind === 'timeseries' ? { custom: lineStyle(spec) } : {}),
  };
}

function lineStyle(spec: PanelSpec): Json {
  return {
    drawStyle: 'line',
    lineWidth: 1,
    fillOpacity: spec.stacked === true ? 40 : 8,
    showPoints: 'never',
    spanNulls: false,
    stacking: { mode: spec.stacked === true ? 'normal' : 'none', group: 'A' },
    scaleDistribution: spec.logarithmic === true ? { type: 'log', log: 10 } : { type: 'linear' },
  };
}

function options(spec: PanelSpec): Json {
  if (spec.kind === 'timeseries') {
    return {
      legend: { displayMode: 'list', placement: 'bottom', showLegend: true, calcs: [] },
      tooltip: { mode: 'multi', sort: 'desc' },
    };
  }
  const reduceOptions: Json = { calcs: ['lastNotNull'], fields: '', values: false };
  return spec.kind === 'stat'
    ? { reduceOptions, colorMode: 'value', graphMode: 'none', textMode: 'value_and_name' }
    : { reduceOptions, displayMode: 'gradient', orientation: 'horizontal', showUnfilled: true };
}
