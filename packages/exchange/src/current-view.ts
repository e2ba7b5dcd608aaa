import { Failure } from '@lvnet/core';
import type { Context } from './context.js';
import { rankOf, without, type View } from './view.js';

/**
 * The view as the server has it by now; one that the server lost is put back.
 *
 * @throws Failure('MEMBER_EVICTED') when this worker has no seat in it
 */
export async function currentView(context: Context): Promise<View> {
  const { membership, options } = context;
  if (context.viewIsOld || context.view === undefined) {
    context.viewIsOld = false;
    const found = await membership.read();
    if (found === undefined && context.view !== undefined) await membership.restore(context.view);
    context.view = found ?? context.view;
  }
  const { view } = context;
  if (view === undefined || rankOf(view, options.worker) < 0) throw evicted(view);
  return view;
}

/** The view while there is no reason to ask the server for it; undefined: ask, with `currentView`. */
export function seatedView({ view, viewIsOld, closed, options }: Context): View | undefined {
  const isSeated = !viewIsOld && !closed && view !== undefined && rankOf(view, options.worker) >= 0;
  return isSeated ? view : undefined;
}

export function evicted(view: View | undefined): Failure {
  return new Failure(
    'MEMBER_EVICTED',
    { life: view?.life ?? null, number: view?.number ?? null },
    { message: 'the members went on without this worker', hint: 'It takes a new seat by itself.' },
  );
}

/** Takes this worker out of the view; false where that changed meanwhile. */
export async function giveBack(context: Context, view: View, why: string): Promise<boolean> {
  const { worker, shards } = context.options;
  const next = without(view, [worker], context.newId(), shards);
  return context.change(view, next, 'leave', [worker], why);
}
