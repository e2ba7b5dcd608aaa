import { parseStored } from './document-store.js';
import type { RunState } from './run-state.js';
import type { Store } from '@lvnet/store';

/** One change of a run's state or one remarkable thing that happened to it, in a readable line. */
export interface RunEvent {
  at: string;
  state: RunState;
  text: string;
}

/**
 * Writes one immutable part of the event log. Parts sort by (the leader's fencing number, count), so that
 * what a former leader writes late comes before what its successor writes, whatever their clocks say.
 */
export async function recordRunEvent(
  store: Store,
  run: string,
  position: { leader: number; count: number },
  event: RunEvent,
): Promise<void> {
  const name = `${padded(position.leader, 13)}-${padded(position.count, 6)}.jsonl`;
  const line = `${JSON.stringify(event)}\n`;
  await store.put(`runs/${run}/events/${name}`, line);
  await store.append?.(`runs/${run}/events.jsonl`, line);
}

/** @throws Failure('STORE_INVALID') for a part that is no JSON */
export async function readRunEvents(store: Store, run: string): Promise<RunEvent[]> {
  const keys: string[] = [];
  for await (const { key } of store.list(`runs/${run}/events/`)) if (key.endsWith('.jsonl')) keys.push(key);
  const parts = await Promise.all(keys.sort().map((key) => readPart(store, key)));
  return parts.flat();
}

async function readPart(store: Store, key: string): Promise<RunEvent[]> {
  const lines = new TextDecoder().decode(await store.get(key)).split('\n');
  return lines.filter((line) => line !== '').map((line) => parseStored(key, line) as RunEvent);
}

const padded = (value: number, digits: number): string => String(value).padStart(digits, '0');
