import { keys } from '@lvnet/redis';

/** BullMQ has no selectors, so work that must run on equal engines has one queue per fingerprint. */
export type QueueRef = { kind: 'prepare' } | { kind: 'train' | 'validate'; fingerprint: string };

export const queuePrefix = keys.queuePrefix();

export function queueName(ref: QueueRef): string {
  return ref.kind === 'prepare' ? 'prepare' : `${ref.kind}-${ref.fingerprint.slice(0, 12)}`;
}
