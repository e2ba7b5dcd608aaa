/** One tensor of the state, with PyTorch's name and layout. */
export interface ParameterSpec {
  name: string;
  shape: readonly number[];
  kind: 'weight' | 'bias' | 'gamma' | 'beta' | 'slope' | 'runningMean' | 'runningVariance' | 'batchCount';
  /** What PyTorch's initialiser divides by; 0 where it means nothing. */
  fanIn: number;
}

export const isTrained = ({ kind }: ParameterSpec): boolean =>
  kind !== 'runningMean' && kind !== 'runningVariance' && kind !== 'batchCount';

export const lengthOf = (shape: readonly number[]): number =>
  shape.reduce((product, size) => product * size, 1);

export const parameterCount = ({ state }: { state: readonly ParameterSpec[] }): number =>
  state.filter(isTrained).reduce((sum, { shape }) => sum + lengthOf(shape), 0);

/** The shape in which the engine takes a tensor: kernels of images have one slice. */
export function engineShape({ kind, shape }: ParameterSpec): number[] {
  const [first = 0, second = 0, ...kernel] = shape;
  return kind === 'weight' && kernel.length === 2 ? [first, second, 1, ...kernel] : [...shape];
}
