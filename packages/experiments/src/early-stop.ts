export interface EarlyStopRule {
  /** Epochs without a better value before the run stops. */
  patience: number;
  direction: 'maximize' | 'minimize';
}

export interface EpochValue {
  epoch: number;
  /** null where the metric is not defined; it is never better than anything. */
  value: number | null;
}

/** Judges a history of epochs in order. A tie is no improvement. */
export function earlyStop(
  history: readonly EpochValue[],
  rule: EarlyStopRule,
): { best: { epoch: number; value: number } | null; stop: boolean } {
  let best: { epoch: number; value: number } | null = null;
  for (const { epoch, value } of history) {
    if (value === null) continue;
    if (best === null || isBetter(value, best.value, rule.direction)) best = { epoch, value };
  }
  const last = history.at(-1)?.epoch ?? 0;
  return { best, stop: history.length > 0 && last - (best?.epoch ?? 0) >= rule.patience };
}

export const isBetter = (value: number, than: number, direction: 'maximize' | 'minimize'): boolean =>
  direction === 'maximize' ? value > than : value < than;
