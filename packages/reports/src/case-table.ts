import { caseMetricNames, type CaseMetricName } from '@lvnet/evaluation';
import type { Spread, SplitSummary } from './case-statistics.js';
import type { RunCase } from './run-report-input.js';
import { fixed } from './format.js';
import { html, type Markup } from './html.js';

/** The cases of one split with mean, standard deviation and median; the worst case is marked. */
export function caseTable({ cases, metrics, worst }: SplitSummary): Markup {
  return html`<div class="scroll">
    <table>
      <thead>
        <tr>
          <th>case</th>
          ${caseMetricNames.map((name) => html`<th title="${look[name].title}">${look[name].head}</th>`)}
          <th title="volume of the predicted liver">ml</th>
        </tr>
      </thead>
      <tbody>
        ${cases.map((item) => caseRow(item, item.case === worst))}
      </tbody>
      <tbody class="sum">
        ${summaryRows(metrics)}
      </tbody>
    </table>
  </div>`;
}

const look: Record<CaseMetricName, { head: string; title: string; digits: number }> = {
  dice: { head: 'Dice', title: 'twice the overlap over the sum of both volumes', digits: 3 },
  voe: { head: 'VOE', title: 'volumetric overlap error: 1 - intersection over union', digits: 3 },
  rvd: { head: 'RVD', title: 'signed relative volume difference, (P - R) / R', digits: 3 },
  rvdAbs: { head: '|RVD|', title: 'absolute relative volume difference', digits: 3 },
  assdMm: { head: 'ASSD mm', title: 'average symmetric surface distance', digits: 2 },
  rmsdMm: { head: 'RMSD mm', title: 'root mean square symmetric surface distance', digits: 2 },
  mssdMm: { head: 'MSSD mm', title: 'maximum symmetric surface distance', digits: 2 },
  hd95Mm: { head: 'HD95 mm', title: '95th percentile of the surface distances', digits: 2 },
};

const caseRow = (item: RunCase, isWorst: boolean): Markup =>
  html`<tr${isWorst ? html` class="marked"` : null}><td>${item.case}${isWorst ? html`<span class="tag">worst</span>` : null}</td>${caseMetricNames.map(
    (name) => html`<td>${fixed(item[name], look[name].digits)}</td>`,
  )}<td>${fixed(item.volumeMl, 0)}</td></tr>`;

function summaryRows(metrics: Record<CaseMetricName, Spread>): Markup[] {
  const row = (label: string, value: (of: Spread, digits: number) => string) =>
    html`<tr>
      <td>${label}</td>
      ${caseMetricNames.map((name) => html`<td>${value(metrics[name], look[name].digits)}</td>`)}
      <td></td>
    </tr>`;
  const rows = [
    row('mean', ({ mean }, digits) => fixed(mean, digits)),
    row('standard deviation', ({ sd }, digits) => fixed(sd, digits)),
    row('median', ({ median }, digits) => fixed(median, digits)),
  ];
  const isComplete = caseMetricNames.every((name) => metrics[name].undefined === 0);
  return isComplete ? rows : [...rows, row('not defined (left out)', (of) => String(of.undefined))];
}
