import { deviceKinds, largestFit, memoryOf, type NetworkDescription } from '@lvnet/networks/description';

export type MemoryFacts = ReturnType<typeof memoryFacts>['native'];

/** By device kind: what is taken, and the largest that fits. */
export function memoryFacts({ config, input }: NetworkDescription, availableBytes: number) {
  const estimates = memoryOf(config, input);
  const of = (device: (typeof deviceKinds)[number]) => ({
    ...estimates[device],
    largest: largestFit(config, input, device, availableBytes),
  });
  return { native: of('native') } satisfies Record<(typeof deviceKinds)[number], unknown>;
}
