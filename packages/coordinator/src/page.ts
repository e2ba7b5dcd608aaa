import type { WorkerEntry } from '@lvnet/queue';
import type { RunStatus } from './status.js';

/** All runs and workers on one page without scripts; it reloads itself. */
export function overviewPage(
  runs: readonly RunStatus[],
  workers: readonly WorkerEntry[],
  storeUrl: string,
): string {
  const newest = [...runs].sort((a, b) => firstAt(b).localeCompare(firstAt(a)));
  return `<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta http-equiv="refresh" content="3">
<meta name="viewport" content="width=device-width"><title>lvnet</title><style>${style}</style></head><body>
<h1>lvnet</h1><p class="quiet">${String(runs.length)} runs in ${escapeHtml(storeUrl)} · ${String(workers.length)} workers</p>
<table><thead><tr><th>run<th>name<th>state<th>step<th>loss<th>Dice<th>members<th>checkpoint<th></tr></thead>
<tbody>${newest.map(runRow).join('\n')}</tbody></table>
<h2>Workers</h2>
<table><thead><tr><th>worker<th>host<th>engine<th>threads<th>doing</tr></thead>
<tbody>${workers.map(workerRow).join('\n')}</tbody></table>
</body></html>
`;
}

const firstAt = (run: RunStatus): string => run.events[0]?.at ?? '9';

function runRow(run: RunStatus): string {
  const done = run.stepsTotal === null ? 0 : Math.round((100 * run.step) / run.stepsTotal);
  const step = run.stepsTotal === null ? '' : `${String(run.step)} / ${String(run.stepsTotal)}`;
  return row([
    `<code>${escapeHtml(run.run)}</code>`,
    escapeHtml(run.name),
    `<span class="state ${run.state}" title="${escapeHtml(run.reason ?? '')}">${run.state}</span>`,
    `${step} <progress max="100" value="${String(done)}"></progress>`,
    run.losses?.['total']?.toFixed(4) ?? '',
    run.metrics.dice?.toFixed(3) ?? '',
    String(run.members.length),
    run.checkpoint === null ? '' : String(run.checkpoint.step),
    run.state === 'done' ? `<a href="/runs/${escapeHtml(run.run)}/report">report</a>` : '',
  ]);
}

const workerRow = (worker: WorkerEntry): string =>
  row([worker.worker, worker.host, worker.engine, String(worker.threads), worker.activity].map(escapeHtml));

const row = (cells: readonly string[]): string => `<tr>${cells.map((cell) => `<td>${cell}`).join('')}</tr>`;

const escapeHtml = (text: string): string =>
  text.replace(/[&<>"']/g, (letter) => `&#${String(letter.charCodeAt(0))};`);

const style = `
:root { color-scheme: light dark; font: 15px/1.5 system-ui, sans-serif; }
body { max-width: 70rem; margin: 2rem auto; padding: 0 1rem; }
h1 { font-weight: 600; margin-bottom: 0; } h2 { font-size: 1.05rem; margin-top: 2rem; }
.quiet { opacity: .65; margin-top: 0; }
table { border-collapse: collapse; width: 100%; font-variant-numeric: tabular-nums; }
th, td { text-align: left; padding: .35rem .8rem .35rem 0; border-bottom: 1px solid color-mix(in srgb, currentColor 15%, transparent); }
th { font-weight: 500; opacity: .65; }
progress { width: 6rem; vertical-align: middle; }
.state { padding: .05rem .5rem; border-radius: 1rem; background: color-mix(in srgb, currentColor 10%, transparent); }
.state.failed { background: #c0392b; color: white; } .state.running { background: #1f7a4d; color: white; }
`;
