import type { Chart } from './chart.js';
import { chartOnPage } from './chart.js';
import { caseTable } from './case-table.js';
import type { SplitSummary } from './case-statistics.js';
import { dataLines, duration, fixed, significant } from './format.js';
import { html, type HtmlValue, type Markup } from './html.js';
import { bars, figures, page, section } from './page.js';
import type { RunReportInput } from './run-report-input.js';

export interface RunPageParts {
  summaries: readonly SplitSummary[];
  loss: Chart | undefined;
  dice: Chart | undefined;
  pictures: readonly { title: string; png: Uint8Array }[];
}

/** The report of a run as one HTML document. */
export function runPage(input: RunReportInput, parts: RunPageParts): string {
  const sections = [
    notes(input),
    keyFigures(input, parts.summaries),
    trainingSection(input, parts),
    diceSection(parts),
    baselineSection(input, parts.summaries),
    sliceSection(parts.pictures),
    ...parts.summaries.map((summary) => caseSection(summary, input.best)),
    proofSection(input),
    section(
      'Experiment',
      'As resolved: every default is written out.',
      html`<pre>${dataLines(input.experiment).join('\n')}</pre>`,
    ),
    eventSection(input.events),
  ];
  return page({
    kind: 'run report',
    title: input.name,
    subtitle: html`run <code>${input.run}</code> · engine ${input.engine.kind}`,
    sections: sections.filter((part) => part !== undefined),
  });
}

function notes({ notes: texts }: RunReportInput): Markup | undefined {
  return texts.length === 0
    ? undefined
    : html`<div class="note-box" role="note">${texts.map((text) => html`<p>${text}</p>`)}</div>`;
}

function keyFigures(input: RunReportInput, summaries: readonly SplitSummary[]): Markup {
  const test = summaries.find(({ split }) => split === 'test')?.metrics;
  const last = input.steps.at(-1);
  const span = spanMs(input.events);
  return figures([
    {
      label: 'test Dice',
      value: fixed(test?.dice.mean, 3),
      note: test?.dice.sd == null ? undefined : `± ${fixed(test.dice.sd, 3)}`,
    },
    {
      label: 'test ASSD',
      value: test?.assdMm.mean == null ? '–' : `${fixed(test.assdMm.mean, 2)} mm`,
    },
    {
      label: 'validation Dice',
      value: fixed(input.best?.dice, 3),
      note: input.best === null ? undefined : `best, step ${String(input.best.step)}`,
    },
    {
      label: 'steps',
      value: String(last?.step ?? 0),
      note: `${String(last?.epoch ?? 0)} ${last?.epoch === 1 ? 'epoch' : 'epochs'}`,
    },
    {
      label: 'last loss',
      value: significant(last?.loss),
      note: last === undefined ? undefined : `first ${significant(input.steps[0]?.loss)}`,
    },
    ...(span === undefined ? [] : [{ label: 'duration', value: duration(span) }]),
  ]);
}

function trainingSection(input: RunReportInput, { loss }: RunPageParts): Markup {
  const heads = Object.keys(input.steps[0]?.heads ?? {}).filter((name) => name !== 'main');
  const lead = `Cross entropy of the whole${heads.length > 0 ? `, of the main head and of ${String(heads.length)} deep-supervision ${heads.length === 1 ? 'head' : 'heads'}` : ''}.`;
  return loss === undefined
    ? section('Loss', 'No step was logged.')
    : section('Loss', lead, chartOnPage(loss, 'Loss over steps'));
}

function diceSection({ dice }: RunPageParts): Markup | undefined {
  if (dice === undefined) return undefined;
  return section(
    'Dice on validation cases',
    'Mean Dice after each validation.',
    chartOnPage(dice, 'Validation Dice over steps'),
  );
}

function baselineSection(input: RunReportInput, summaries: readonly SplitSummary[]): Markup | undefined {
  const own = summaries.find(({ split }) => split === 'test')?.metrics.dice.mean ?? null;
  if (own === null || input.baselines === undefined || input.baselines.length === 0) return undefined;
  const entries = [
    { name: 'this run', dice: own, isStrong: true },
    ...input.baselines.map((item) => ({ ...item, isStrong: false })),
  ];
  return section(
    'Against simple methods',
    'Mean Dice on the same test cases. The simple methods chose their parameters on the training cases.',
    bars(
      entries.map(({ name, dice, isStrong }) => ({
        label: name,
        value: dice,
        text: fixed(dice, 3),
        isStrong,
      })),
      1,
    ),
  );
}

function sliceSection(pictures: RunPageParts['pictures']): Markup | undefined {
  if (pictures.length === 0) return undefined;
  return section(
    'Slices',
    'The truth is outlined in green, the prediction in orange; the lines lie side by side where they agree.',
    html`<div class="slices">
      ${pictures.map(
        ({ title, png }) =>
          html`<img alt="${title}" src="data:image/png;base64,${Buffer.from(png).toString('base64')}" />`,
      )}
    </div>`,
  );
}

function caseSection(summary: SplitSummary, best: RunReportInput['best']): Markup {
  const count = summary.cases.length;
  const weights = best === null ? 'the last weights' : `the weights of step ${String(best.step)}`;
  const lead = `${String(count)} ${count === 1 ? 'case' : 'cases'}, with ${weights}.`;
  return section(`Cases: ${summary.split}`, lead, caseTable(summary));
}

function proofSection(input: RunReportInput): Markup {
  const rows: [string, HtmlValue][] = [
    ['final digest', html`<code>${input.finalDigest}</code>`],
    ['engine', html`${input.engine.kind} <code>${input.engine.fingerprint}</code>`],
    [
      'killed on purpose',
      input.killed === undefined ? null : `${String(input.killed.count)}: ${input.killed.text}`,
    ],
  ];
  return section(
    'Proof',
    'The digest chains weights and samples of every step. The same experiment on the same engine ends in the same digest, whatever the number of workers and whatever fails on the way.',
    html`<table class="left">
      <tbody>
        ${rows
          .filter(([, value]) => value !== null)
          .map(
            ([name, value]) =>
              html`<tr>
                <td>${name}</td>
                <td>${value}</td>
              </tr>`,
          )}
      </tbody>
    </table>`,
  );
}

const openEventLimit = 12;

function eventSection(events: RunReportInput['events']): Markup | undefined {
  if (events.length === 0) return undefined;
  const table = html`<table class="left">
    <tbody>
      ${events.map(
        ({ at, text }) =>
          html`<tr>
            <td>${clock(at)}</td>
            <td>${text}</td>
          </tr>`,
      )}
    </tbody>
  </table>`;
  if (events.length <= openEventLimit) return section('Events', null, table);
  return section(
    'Events',
    null,
    html`<details>
      <summary>${events.length} events</summary>
      ${table}
    </details>`,
  );
}

const clock = (at: string): string => at.replace('T', ' ').replace(/(\.\d+)?Z$/, '');

function spanMs(events: RunReportInput['events']): number | undefined {
  const at = events.map((event) => Date.parse(event.at)).filter(Number.isFinite);
  return at.length < 2 ? undefined : Math.max(...at) - Math.min(...at);
}
