import type { RunStatus } from '@lvnet/coordinator';
import pico from 'picocolors';
import { bar, fit, formatDuration, sparkline } from './format.js';

export interface RenderOptions {
  columns: number;
  color: boolean;
  /** Total losses of past steps, oldest first; drawn as a curve where there are some. */
  history?: readonly number[];
}

type Paint = ReturnType<typeof pico.createColors>;

const labelWidth = 12;
const most = 100;

/** A run for a person at a terminal, one string a line. */
export function renderRun(status: RunStatus, o: RenderOptions): string[] {
  const paint = pico.createColors(o.color);
  const width = Math.max(20, Math.min(most, o.columns) - labelWidth);
  const rows: [string, string][] = [
    ...progress(status, width),
    ...losses(status, width, o.history ?? []),
    ...dice(status),
    ...members(status, width),
    ...(status.checkpoint === null ? [] : [row('checkpoint', `step ${String(status.checkpoint.step)}`)]),
    ...(status.reason === null ? [] : [row('last', fit(status.reason, width))]),
    ...status.notes.map((note) => row('note', fit(note, width))),
  ];
  return [
    `${paint.bold(status.name)}  ${paint.dim(status.run)}  ${painted(paint, status.state)}`,
    ...rows.map(([name, text]) => `${paint.dim(name.padEnd(labelWidth))}${text}`),
  ];
}

const row = (name: string, text: string): [string, string] => [name, text];

function painted(paint: Paint, state: RunStatus['state']): string {
  if (state === 'done') return paint.green(state);
  if (state === 'failed') return paint.red(state);
  return state === 'paused' || state === 'cancelled' ? paint.yellow(state) : paint.cyan(state);
}

function progress(status: RunStatus, width: number): [string, string][] {
  if (status.stepsTotal === null) return [];
  const text = `step ${String(status.step)} of ${String(status.stepsTotal)}, epoch ${String(status.epoch)}`;
  const eta = status.etaSeconds === null ? '' : `, ${formatDuration(status.etaSeconds)} to go`;
  const barWidth = Math.min(30, width - text.length - eta.length - 2);
  const drawn = barWidth < 5 ? '' : `${bar(status.step / status.stepsTotal, barWidth)}  `;
  return [row('progress', `${drawn}${text}${eta}`)];
}

function losses(status: RunStatus, width: number, history: readonly number[]): [string, string][] {
  if (status.losses === null) return [];
  const { total, ...heads } = status.losses;
  const parts = Object.entries(heads).map(([name, value]) => `${name} ${value.toFixed(4)}`);
  const text = [total?.toFixed(4) ?? '-', ...parts].join('   ');
  const curve = history.length < 2 ? [] : [row('', sparkline(history, Math.min(60, width)))];
  return [row('loss', fit(text, width)), ...curve];
}

function dice({ metrics, validations }: RunStatus): [string, string][] {
  const last = validations.at(-1);
  if (last === undefined || metrics.dice === null) return [];
  const best =
    metrics.best === null
      ? ''
      : `, best ${metrics.best.dice.toFixed(4)} at step ${String(metrics.best.step)}`;
  return [row('dice', `${metrics.dice.toFixed(4)} after epoch ${String(last.epoch)}${best}`)];
}

function members(status: RunStatus, width: number): [string, string][] {
  const named = status.members.map(({ worker, shards }) => `${worker} [${shards.join(' ')}]`).join('  ');
  const speed = status.samplesPerSecond;
  return [
    ...(speed === null ? [] : [row('speed', `${speed.toPrecision(3)} samples/s`)]),
    ...(named === '' ? [] : [row('members', fit(named, width))]),
  ];
}

/** The same in one line, for logs and pipes. */
export function runLine(status: RunStatus): string {
  const parts = [
    `${status.name} ${status.run} ${status.state}`,
    status.stepsTotal === null ? '' : `step ${String(status.step)}/${String(status.stepsTotal)}`,
    status.losses?.['total'] === undefined ? '' : `loss ${status.losses['total'].toFixed(4)}`,
    status.metrics.dice === null ? '' : `dice ${status.metrics.dice.toFixed(4)}`,
    status.samplesPerSecond === null ? '' : `${status.samplesPerSecond.toPrecision(3)} samples/s`,
    status.etaSeconds === null ? '' : `${formatDuration(status.etaSeconds)} to go`,
    status.members.length === 0 ? '' : `members ${String(status.members.length)}`,
    status.checkpoint === null ? '' : `checkpoint ${String(status.checkpoint.step)}`,
  ];
  return parts.filter((part) => part !== '').join('  ');
}
