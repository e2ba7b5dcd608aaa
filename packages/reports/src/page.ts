import { html, trusted, type HtmlValue, type Markup } from './html.js';

export interface PageParts {
  kind: string;
  title: string;
  subtitle: HtmlValue;
  sections: readonly Markup[];
}

/** One self-contained document: style inside, no script, nothing fetched. */
export function page({ kind, title, subtitle, sections }: PageParts): string {
  return html`<!doctype html>
    <html lang="en">
      <head>
        <meta charset="utf-8" />
        <meta name="viewport" content="width=device-width, initial-scale=1" />
        <title>${title} · lvnet ${kind}</title>
        <link rel="icon" href="data:," />
        <style>
          ${trusted(style)}
        </style>
      </head>
      <body>
        <header>
          <p class="kind">lvnet ${kind}</p>
          <h1>${title}</h1>
          <p class="quiet">${subtitle}</p>
        </header>
        <main>${sections}</main>
      </body>
    </html> `.markup;
}

/** A titled part of a page; `lead` says in a sentence what is to be seen. */
export const section = (title: string, lead: HtmlValue, ...body: readonly HtmlValue[]): Markup =>
  html`<section>
    <h2>${title}</h2>
    ${lead === null ? null : html`<p class="quiet lead">${lead}</p>`} ${body}
  </section>`;

export const figures = (
  entries: readonly { label: string; value: string; note?: string | undefined }[],
): Markup =>
  html`<dl class="figures">
    ${entries.map(
      ({ label, value, note }) =>
        html`<div>
          <dt>${label}</dt>
          <dd>${value}</dd>
          ${note === undefined ? null : html`<dd class="note">${note}</dd>`}
        </div>`,
    )}
  </dl>`;

/** Horizontal bars of values from 0 to `most`; the strong one is ours. */
export const bars = (
  entries: readonly { label: string; value: number; text: string; isStrong: boolean }[],
  most: number,
): Markup =>
  html`<div class="bars">
    ${entries.map(
      ({ label, value, text, isStrong }) =>
        html`<span>${label}</span
          ><span class="track"
            ><span class="bar${isStrong ? ' strong' : ''}" style="width:${share(value, most)}%"></span></span
          ><span class="value">${text}</span>`,
    )}
  </div>`;

const share = (value: number, most: number): string =>
  (100 * Math.min(1, Math.max(0, most > 0 ? value / most : 0))).toFixed(1);

const style = `
:root { color-scheme: light dark; --ink: #1f2733; --paper: #fbfbf9; --card: #fff; --line: #1f273318; --quiet: #5d6775;
  --accent: #3d74d6; --warn: #fff4dc; --warn-ink: #6b4700; --mark: #cc5a7620; }
@media (prefers-color-scheme: dark) { :root { --ink: #e4e8ee; --paper: #12161c; --card: #191f27; --line: #e4e8ee1c;
  --quiet: #98a3b3; --accent: #6d9cf0; --warn: #3a2f14; --warn-ink: #f3d9a0; --mark: #cc5a7633; } }
* { box-sizing: border-box; }
body { margin: 0 auto; padding: 3rem 1.5rem 5rem; max-width: 64rem; color: var(--ink); background: var(--paper);
  font: 16px/1.55 system-ui, "DejaVu Sans", sans-serif; font-variant-numeric: tabular-nums; }
h1 { font-size: 2rem; font-weight: 650; letter-spacing: -.015em; line-height: 1.2; margin: .1rem 0 .3rem; overflow-wrap: anywhere; }
h2 { font-size: 1.15rem; font-weight: 620; margin: 0 0 .2rem; }
section { margin-top: 3rem; }
p { margin: .3rem 0; } .quiet { color: var(--quiet); } .lead { max-width: 46rem; margin-bottom: 1rem; }
.kind { text-transform: uppercase; letter-spacing: .1em; font-size: .74rem; color: var(--accent); font-weight: 600; }
code, pre { font-family: ui-monospace, "DejaVu Sans Mono", monospace; font-size: .86em; }
code { overflow-wrap: anywhere; }
pre { background: var(--card); border: 1px solid var(--line); border-radius: .6rem; padding: 1rem 1.2rem; overflow-x: auto; margin: 0; line-height: 1.5; }
.note-box { background: var(--warn); color: var(--warn-ink); border-radius: .6rem; padding: .7rem 1.1rem; margin-top: 1.2rem; }
.note-box p { margin: .1rem 0; }
.figures { display: grid; grid-template-columns: repeat(auto-fit, minmax(8.8rem, 1fr)); gap: .8rem; margin: 1.8rem 0 0; }
.figures div { background: var(--card); border: 1px solid var(--line); border-radius: .6rem; padding: .8rem 1rem; }
.figures dt { font-size: .8rem; color: var(--quiet); } .figures dd { margin: 0; font-size: 1.35rem; font-weight: 600; line-height: 1.35; overflow-wrap: anywhere; }
.figures dd.note { font-size: .8rem; font-weight: 400; color: var(--quiet); }
.chart { width: 100%; min-width: 36rem; height: auto; display: block; }
.scroll { overflow-x: auto; }
table { border-collapse: collapse; width: 100%; font-size: .88rem; }
th, td { text-align: right; padding: .38rem .5rem; border-bottom: 1px solid var(--line); white-space: nowrap; }
th:first-child, td:first-child { text-align: left; padding-left: .4rem; white-space: normal; }
th { font-weight: 500; color: var(--quiet); }
tbody.sum td { font-weight: 600; } tbody.sum tr:first-child td { border-top: 2px solid var(--line); }
tr.marked td { background: var(--mark); }
.tag { font-size: .72rem; border: 1px solid currentColor; border-radius: 1rem; padding: .02rem .5rem; margin-left: .5rem; opacity: .8; white-space: nowrap; }
.left td { text-align: left; white-space: normal; vertical-align: top; } .left td:first-child { white-space: nowrap; color: var(--quiet); padding-right: 1.2rem; width: 1%; }
.slices { display: grid; grid-template-columns: repeat(auto-fill, minmax(17rem, 1fr)); gap: 1rem; }
.slices img { width: 100%; height: auto; display: block; border-radius: .6rem; }
.bars { display: grid; grid-template-columns: max-content 1fr max-content; gap: .5rem 1rem; align-items: center; font-size: .92rem; }
.track { background: var(--line); border-radius: .3rem; height: .8rem; } .bar { display: block; height: 100%; border-radius: .3rem; background: #7b8798; min-width: 2px; }
.bar.strong { background: var(--accent); } .value { text-align: right; font-weight: 600; }
details { margin-top: .8rem; } summary { cursor: pointer; color: var(--quiet); }
@media (max-width: 36rem) { .bars { grid-template-columns: 1fr max-content; grid-auto-flow: dense; } .bars .track { grid-column: 1 / -1; } }
@media print { body { padding: 0; max-width: none; } section { break-inside: avoid; } }
`;
