import {
  deviceKinds,
  largestFit,
  memoryOf,
  type DeviceKind,
  type LargestFit,
  type MemoryEstimate,
  type NetworkDescription,
} from '@lvnet/networks/description';

export type MemoryFacts = Record<DeviceKind, MemoryEstimate & { largest: LargestFit }>;

/** By device kind: what is taken, and the largest that fits. */
export function memoryFacts({ config, input }: NetworkDescription, availableBytes: number): MemoryFacts {
  const estimates = memoryOf(config, input);
  const facts = deviceKinds.map((kind) => {
    const largest = largestFit(config, input, kind, availableBytes);
    return [kind, { ...estimates[kind], largest }] as const;
  });
  return Object.fromEntries(facts) as MemoryFacts;
}
