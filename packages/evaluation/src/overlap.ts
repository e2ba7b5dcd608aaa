import { checkPair, type MaskPair } from './mask.js';

export interface OverlapMetrics {
  /** 2I / (|P| + |R|); 0 when a mask is empty. */
  dice: number;
  /** Volumetric overlap error, 1 - I / |P or R|; 1 when a mask is empty. */
  voe: number;
  /** (|P| - |R|) / |R|; null when a mask is empty. */
  rvd: number | null;
  /** Its absolute value. */
  rvdAbs: number | null;
}

/** @throws Failure('VOLUME_SHAPE_MISMATCH') */
export function overlapMetrics(pair: MaskPair): OverlapMetrics {
  checkPair(pair);
  const { reference, prediction } = pair;
  let [both, inReference, inPrediction] = [0, 0, 0];
  for (let i = 0; i < reference.length; i++) {
    const [r, p] = [reference[i] === 0 ? 0 : 1, prediction[i] === 0 ? 0 : 1];
    inReference += r;
    inPrediction += p;
    both += r & p;
  }
  if (inReference === 0 || inPrediction === 0) return { dice: 0, voe: 1, rvd: null, rvdAbs: null };
  const rvd = (inPrediction - inReference) / inReference;
  return {
    dice: (2 * both) / (inPrediction + inReference),
    voe: 1 - both / (inPrediction + inReference - both),
    rvd,
    rvdAbs: Math.abs(rvd),
  };
}
