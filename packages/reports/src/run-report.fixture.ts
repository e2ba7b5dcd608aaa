import type { RunCase, RunOverlay, RunReportInput } from './run-report-input.js';

export function caseOf(id: string, split: string, dice: number | null, assdMm: number | null = 1.5): RunCase {
  const rest = { voe: 0.2, rvd: -0.1, rvdAbs: 0.1, rmsdMm: assdMm, mssdMm: assdMm, hd95Mm: assdMm };
  return { case: id, split, dice, assdMm, ...rest, volumeMl: 1500 };
}

/** A ramp with two overlapping rectangles. */
export function overlayOf(id: string, rows = 32, columns = 48): RunOverlay {
  const box = (from: number) =>
    Uint8Array.from({ length: rows * columns }, (_, index) => {
      const [y, x] = [Math.floor(index / columns), index % columns];
      return y >= 8 && y < 24 && x >= from && x < from + 16 ? 1 : 0;
    });
  const image = Float32Array.from({ length: rows * columns }, (_, index) => (index % columns) - 10);
  const masks = { truth: box(12), prediction: box(20) };
  return { case: id, title: `case ${id}, slice 3 of 9`, rows, columns, pixelAspect: 1, image, ...masks };
}

/** A small finished run with everything a report can show. */
export function runInput(stepCount = 40): RunReportInput {
  const steps = Array.from({ length: stepCount }, (_, index) => ({
    step: index + 1,
    epoch: 1 + Math.floor(index / 20),
    loss: 2 / (index + 1),
    heads: { main: 1 / (index + 1), '1': 1.5 / (index + 1) },
    lr: 0.001,
    digest: `d${String(index + 1)}`,
  }));
  return {
    run: 'r1',
    name: 'a <run> & "its" name',
    experiment: { seed: 7, data: { patch: [16, 64, 64] }, network: { name: 'lv-net' } },
    engine: { kind: 'reference', fingerprint: 'reference-1' },
    notes: ['over-fit check: trained and tested on the same case'],
    steps,
    validations: [
      { epoch: 1, step: 20, dice: 0.5 },
      { epoch: 2, step: 40, dice: null },
    ],
    best: { step: 20, dice: 0.5 },
    cases: [caseOf('a', 'test', 0.9), caseOf('<b>', 'test', 0, null), caseOf('c', 'validation', 0.8)],
    baselines: [{ name: 'best HU window', dice: 0.4 }],
    events: [
      { at: '2026-01-02T03:04:05.678Z', text: 'submitted' },
      { at: '2026-01-02T03:06:10.678Z', text: 'done' },
    ],
    overlays: [overlayOf('a'), overlayOf('../b')],
    finalDigest: 'f00d',
    killed: { count: 1, text: 'worker 2 at step 12' },
  };
}
