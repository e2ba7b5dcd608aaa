import type { Telemetry } from '@lvnet/telemetry';
import type { ChildFact } from './messages.js';

/** Turns what the trainer child reports into this worker's metrics. */
export function recordFact(fact: ChildFact, { metrics }: Telemetry): void {
  switch (fact.kind) {
    case 'step':
      for (const [phase, seconds] of Object.entries(fact.phases)) {
        metrics.stepSeconds.observe({ run: fact.run, phase }, Number(seconds));
      }
      metrics.shards.add({ run: fact.run, outcome: 'committed' }, fact.shards);
      return;
    case 'exchanged':
      metrics.exchangeBytes.add({ run: fact.run, direction: 'received' }, fact.bytesIn);
      metrics.exchangeBytes.add({ run: fact.run, direction: 'sent' }, fact.bytesOut);
      return;
    case 'copied':
      metrics.checkpointBlockingSeconds.observe({ run: fact.run }, fact.seconds);
      return;
    case 'checkpointed':
      metrics.checkpointSeconds.observe({ run: fact.run }, fact.seconds);
      return;
    case 'memory':
      metrics.deviceMemoryBytes.set({ kind: 'used' }, fact.bytes);
      return;
    case 'wasted':
      metrics.wasteSeconds.add({ run: fact.run, cause: fact.cause }, fact.seconds);
      metrics.shards.add({ run: fact.run, outcome: fact.outcome }, fact.shards);
      return;
    case 'note':
    case 'progress':
      return;
  }
}
