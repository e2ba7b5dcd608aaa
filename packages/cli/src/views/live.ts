import type { RunStatus } from '@lvnet/coordinator';
import { createLogUpdate } from 'log-update';
import { renderRun, runLine } from './run-view.js';

/** Shows a run while it goes on: redrawn in place on a terminal, as plain lines elsewhere. */
export interface LiveView {
  show(status: RunStatus): void;
  /** A line that stays, above what is redrawn. */
  note: (text: string) => void;
  /** Leaves the last picture where it is. */
  close(): void;
}

export type ViewStream = NodeJS.WritableStream & { isTTY?: boolean; columns?: number };

/** Without a terminal a line comes with every change of state and at most this often otherwise. */
const lineEveryMs = 5_000;

export function openLiveView(stream: ViewStream, nowMs: () => number = () => performance.now()): LiveView {
  return stream.isTTY === true && process.env['TERM'] !== 'dumb' ? redrawn(stream) : lines(stream, nowMs);
}

function redrawn(stream: ViewStream): LiveView {
  const log = createLogUpdate(stream);
  const color = process.env['NO_COLOR'] === undefined;
  const history: number[] = [];
  let lastStep = 0;
  return {
    show(status) {
      const loss = status.losses?.['total'];
      if (status.step > lastStep && loss !== undefined) {
        history.push(loss);
        lastStep = status.step;
      }
      log(renderRun(status, { columns: stream.columns ?? 80, color, history }).join('\n'));
    },
    note(text) {
      log.persist(text);
    },
    close() {
      log.done();
    },
  };
}

function lines(stream: ViewStream, nowMs: () => number): LiveView {
  let shown: { state: string; step: number; atMs: number } | undefined;
  return {
    show(status) {
      const moved = status.step !== shown?.step && nowMs() - (shown?.atMs ?? 0) >= lineEveryMs;
      if (status.state === shown?.state && !moved) return;
      shown = { state: status.state, step: status.step, atMs: nowMs() };
      stream.write(`${runLine(status)}\n`);
    },
    note(text) {
      stream.write(`${text}\n`);
    },
    close: () => undefined,
  };
}
