import { Failure, sleep } from '@lvnet/core';
import { readStatus, resolveRun, type RunStatus } from '@lvnet/coordinator';
import type { Connection } from './connection.js';

const answerLimitMs = 15_000;

/** Asks the coordinator to change a run's state and waits until the store shows it. */
export async function requestState(
  { store, registry }: Connection,
  reference: string,
  kind: 'cancel' | 'pause' | 'resume',
): Promise<RunStatus> {
  const run = await resolveRun(store, reference);
  const before = await readStatus(store, registry, run);
  if (!allowed[kind].includes(before.state)) throw notAllowed(kind, before);
  await registry.request({ kind, run });
  const untilMs = performance.now() + answerLimitMs;
  for (;;) {
    const status = await readStatus(store, registry, run);
    if (status.state !== before.state) return status;
    if (performance.now() > untilMs) throw await unanswered(registry, kind);
    await sleep(150);
  }
}

const live = ['queued', 'preparing', 'running', 'validating'];
const allowed: Record<'cancel' | 'pause' | 'resume', readonly string[]> = {
  cancel: [...live, 'paused'],
  pause: ['preparing', 'running'],
  resume: ['paused'],
};

function notAllowed(kind: string, status: RunStatus): Failure {
  return new Failure(
    'STATE_NOT_ALLOWED',
    { run: status.run, state: status.state },
    {
      message: `Run ${status.run} is ${status.state}: there is nothing to ${kind}.`,
      hint: `lvnet status ${status.run} says more.`,
    },
  );
}

async function unanswered(registry: Connection['registry'], kind: string): Promise<Failure> {
  const leader = await registry.leader();
  return new Failure(
    'COORDINATOR_ABSENT',
    { leader: leader ?? null },
    {
      message: `Nobody acted on the request to ${kind} within ${String(answerLimitMs / 1000)} s; it stays queued.`,
      hint: leader === undefined ? 'No coordinator is up: start one.' : 'Look at the coordinator’s log.',
    },
  );
}
