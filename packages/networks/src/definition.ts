import type { Triple } from '@lvnet/kernels';
import type { Layers, Scores } from './vocabulary.js';

/** A network: what it needs and what it is. */
export interface NetworkDefinition<C> {
  /** Images are volumes that are worked on slice by slice: kernels are flat. */
  dimensions: 2 | 3;
  /** Channels of its input, made of the one of a scan. */
  inputChannels: 1 | 3;
  /** One sample as the paper measured it: [slices, rows, columns]. */
  paperInput: Triple;
  /** What slices, rows and columns must divide by, and why: "2^(levels - 1)". */
  multiple(config: C): { sizes: Triple; reason: string };
  /** Fewest rows and columns. */
  leastSize?: number;
  /** Deep-supervision heads. */
  headCount(config: C): number;
  describe<T>(l: Layers<T>, image: T, config: C): Scores<T>;
}
