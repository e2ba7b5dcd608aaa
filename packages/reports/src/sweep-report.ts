import type { Store } from '@lvnet/store';
import { chartOnPage, chartPicture, type Chart } from './chart.js';
import { fixed } from './format.js';
import { html, type Markup } from './html.js';
import { figures, page, section } from './page.js';
import { sweepChart } from './sweep-chart.js';
import { sortTrials, sweepAxes, valueText, type SweepReportInput, type SweepTrial } from './sweep-trials.js';

/**
 * Writes `sweeps/<sweep>/objective.png` (when a trial has an objective) and `report.html`: the best trial,
 * the objective over the values and the table of all trials, best first.
 */
export async function writeSweepReport(store: Store, sweep: string, input: SweepReportInput): Promise<void> {
  const chart = sweepChart(input);
  if (chart !== undefined) await store.put(`sweeps/${sweep}/objective.png`, await chartPicture(chart));
  await store.put(`sweeps/${sweep}/report.html`, sweepPage(input, chart));
}

function sweepPage(input: SweepReportInput, chart: Chart | undefined): string {
  const { objective, trials, name, sweep } = input;
  const lead = `Best value of ${objective.metric} per trial, to ${objective.direction}.`;
  return page({
    kind: 'sweep report',
    title: name,
    subtitle: html`sweep <code>${sweep}</code> · ${objective.direction} ${objective.metric}`,
    sections: [
      keyFigures(input),
      chart === undefined
        ? section('Objective', 'No trial has come to an objective.')
        : section('Objective', lead, chartOnPage(chart, 'Objective per trial')),
      section('Trials', `${String(trials.length)} trials, best first.`, trialTable(input)),
    ],
  });
}

function keyFigures({ best, trials, objective }: SweepReportInput): Markup {
  const count = (state: string) => trials.filter((trial) => trial.state === state).length;
  const failed = count('failed') + count('cancelled');
  return figures([
    {
      label: `best ${objective.metric}`,
      value: fixed(best?.objective, 4),
      note: best === null ? undefined : best.run,
    },
    ...Object.entries(best?.values ?? {}).map(([path, value]) => ({
      label: path,
      value: valueText(value),
      note: 'best trial',
    })),
    {
      label: 'trials done',
      value: `${String(count('done'))} of ${String(trials.length)}`,
      note: failed === 0 ? undefined : `${String(failed)} failed or cancelled`,
    },
  ]);
}

function trialTable(input: SweepReportInput): Markup {
  const axes = sweepAxes(input.trials);
  return html`<div class="scroll">
    <table>
      <thead>
        <tr>
          <th>run</th>
          ${axes.map(({ path }) => html`<th>${path}</th>`)}
          <th>state</th>
          <th>steps</th>
          <th>${input.objective.metric}</th>
        </tr>
      </thead>
      <tbody>
        ${sortTrials(input).map((trial) =>
          trialRow(
            trial,
            axes.map(({ path }) => path),
            trial.run === input.best?.run,
          ),
        )}
      </tbody>
    </table>
  </div>`;
}

const trialRow = (trial: SweepTrial, paths: readonly string[], isBest: boolean): Markup =>
  html`<tr>
    <td><code>${trial.run}</code>${isBest ? html`<span class="tag">best</span>` : null}</td>
    ${paths.map((path) => html`<td>${valueText(trial.values[path])}</td>`)}
    <td>${trial.state}</td>
    <td>${trial.steps}</td>
    <td>${fixed(trial.objective, 4)}</td>
  </tr>`;
