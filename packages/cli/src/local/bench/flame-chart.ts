import type { StepPart, StepProfile } from '@lvnet/networks';
import { operationName, stageOf } from './step-summary.js';

/** A stretch of time with what happened inside it. */
interface Span {
  name: string;
  startMs: number;
  endMs: number;
  macs: number;
  bytes: number;
  inner: Span[];
}

const width = 1600;
const margin = 12;
const rowHeight = 22;
const top = 64;
const letter = 6.6;

/**
 * A training step as an SVG: time from left to right, and below each other the step, its passes, stages, layers
 * and operations. A box is the darker the nearer it comes to the FMA peak; what multiplies nothing is grey. Each
 * says its figures where the pointer rests on it.
 *
 * @param peakGflops null where it is unknown: then boxes have one colour
 */
export function flameChart(title: string, profile: StepProfile, peakGflops: number | null): string {
  const step = spanOf('training step', profile.parts, profile.startMs, profile.startMs + profile.durationMs);
  step.inner = nested(profile.parts, [
    ({ pass }) => pass,
    (part) => stageOf(part) || 'other',
    ({ layer }) => layer,
    operationName,
  ]);
  const scale = (width - 2 * margin) / profile.durationMs;
  const depth = 5;
  const height = top + depth * rowHeight + 56;
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${String(width)} ${String(height)}" width="${String(width)}" height="${String(height)}" font-family="system-ui, sans-serif" font-size="12">`,
    `<title>${escaped(title)}</title>`,
    '<rect width="100%" height="100%" fill="#ffffff"/>',
    `<text x="${String(margin)}" y="24" font-size="15" font-weight="600">${escaped(title)}</text>`,
    `<text x="${String(margin)}" y="44" fill="#555">${escaped(sayOf(step, peakGflops, false))}</text>`,
    ...boxes(step, 0, { startMs: profile.startMs, scale, peakGflops }),
    ...axis(profile.durationMs, scale, top + depth * rowHeight + 6),
    ...(peakGflops === null ? [] : legend()),
    '</svg>',
    '',
  ].join('\n');
}

const spanOf = (name: string, parts: readonly StepPart[], startMs: number, endMs: number): Span => ({
  ...{ name, startMs, endMs, inner: [] },
  macs: parts.reduce((sum, part) => sum + part.macs, 0),
  bytes: parts.reduce((sum, part) => sum + part.bytes, 0),
});

/** Neighbours in time with the same name become one span, whose parts are cut by the next name. */
function nested(parts: readonly StepPart[], names: readonly ((part: StepPart) => string)[]): Span[] {
  const [nameOf, ...rest] = names;
  if (nameOf === undefined) return [];
  const runs: { name: string; parts: StepPart[] }[] = [];
  for (const part of parts) {
    const name = nameOf(part);
    const last = runs.at(-1);
    if (last?.name === name) last.parts.push(part);
    else runs.push({ name, parts: [part] });
  }
  return runs.map(({ name, parts: own }) => {
    const [first, last] = [own[0], own.at(-1)] as [StepPart, StepPart];
    const span = spanOf(name, own, first.startMs, last.startMs + last.durationMs);
    return { ...span, inner: nested(own, rest) };
  });
}

interface Frame {
  startMs: number;
  /** Pixels per millisecond. */
  scale: number;
  peakGflops: number | null;
}

/** Boxes narrower than a tenth of a pixel are left out, with what is in them. */
function boxes(span: Span, row: number, frame: Frame): string[] {
  const x = margin + (span.startMs - frame.startMs) * frame.scale;
  const wide = (span.endMs - span.startMs) * frame.scale;
  if (wide < 0.1) return [];
  const y = top + row * rowHeight;
  const letters = Math.floor((wide - 8) / letter);
  const name = span.name.length <= letters ? span.name : `${span.name.slice(0, Math.max(0, letters - 1))}…`;
  const fill = colourOf(span, frame.peakGflops);
  const text =
    letters < 3
      ? ''
      : `<text x="${fixed(x + 4)}" y="${fixed(y + 15)}" fill="${fill.dark ? '#fff' : '#222'}">${escaped(name)}</text>`;
  const box = `<rect x="${fixed(x)}" y="${fixed(y)}" width="${fixed(Math.max(0.3, wide - 0.5))}" height="${fixed(rowHeight - 1)}" rx="1.5" fill="${fill.colour}"/>`;
  const told = `<g><title>${escaped(sayOf(span, frame.peakGflops))}</title>${box}${text}</g>`;
  return [told, ...span.inner.flatMap((inner) => boxes(inner, row + 1, frame))];
}

function sayOf(span: Span, peakGflops: number | null, named = true): string {
  const ms = span.endMs - span.startMs;
  const gflops = (2 * span.macs) / ms / 1e6;
  const share = peakGflops === null ? '' : ` (${((100 * gflops) / peakGflops).toFixed(0)} % of the FMA peak)`;
  return [
    ...(named ? [span.name] : []),
    `${ms.toFixed(ms < 10 ? 2 : 1)} ms`,
    ...(span.macs > 0 ? [`${gflops.toFixed(1)} GFLOP/s${share}`] : []),
    `${(span.bytes / 1e6).toFixed(1)} MB of tensors`,
  ].join(', ');
}

function colourOf({ startMs, endMs, macs }: Span, peak: number | null): { colour: string; dark: boolean } {
  if (macs === 0) return { colour: '#d9dbe0', dark: false };
  const share = peak === null ? 0.3 : Math.min(1, (2 * macs) / (endMs - startMs) / 1e6 / peak);
  return { colour: colourAt(share), dark: share > 0.45 };
}

/** From a pale yellow to a deep red. */
function colourAt(share: number): string {
  const [hue, lightness] = [50 - 50 * share, 85 - 45 * share];
  return `hsl(${hue.toFixed(0)},85%,${lightness.toFixed(0)}%)`;
}

/** Ticks at round numbers of milliseconds, ten at most. */
function axis(durationMs: number, scale: number, y: number): string[] {
  const rough = durationMs / 10;
  const power = 10 ** Math.floor(Math.log10(rough));
  const stepMs = power * ([1, 2, 5, 10].find((factor) => factor * power >= rough) ?? 10);
  const count = Math.floor(durationMs / stepMs) + 1;
  return Array.from({ length: count }, (_, i) => {
    const x = fixed(margin + i * stepMs * scale);
    const label = `${String(Number((i * stepMs).toPrecision(6)))} ms`;
    return `<path d="M${x} ${fixed(y)}v6" stroke="#888"/><text x="${x}" y="${fixed(y + 19)}" fill="#555" text-anchor="${i === 0 ? 'start' : 'middle'}">${label}</text>`;
  });
}

function legend(): string[] {
  const x = width - margin - 300;
  const steps = [0, 0.25, 0.5, 0.75, 1].map(
    (share, i) =>
      `<rect x="${fixed(x + 60 + i * 36)}" y="32" width="36" height="14" fill="${colourAt(share)}"/>` +
      `<text x="${fixed(x + 78 + i * 36)}" y="43" font-size="10" text-anchor="middle" fill="${share > 0.45 ? '#fff' : '#222'}">${String(100 * share)} %</text>`,
  );
  return [
    `<text x="${fixed(x + 52)}" y="43" fill="#555" text-anchor="end">of the FMA peak</text>`,
    ...steps,
    `<rect x="${fixed(x + 248)}" y="32" width="52" height="14" fill="#d9dbe0"/>`,
    `<text x="${fixed(x + 274)}" y="43" font-size="10" text-anchor="middle" fill="#222">no FMAs</text>`,
  ];
}

const fixed = (value: number): string => String(Number(value.toFixed(2)));

const escaped = (text: string): string =>
  text.replace(/[&<>"]/g, (c) => ({ '&': '&amp;', '<': '&lt;', '>': '&gt;' })[c] ?? '&quot;');
