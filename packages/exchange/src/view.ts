/** A member of the agreed membership. */
export interface Member {
  worker: string;
  /** The first step that it computes: it comes with the state of the step before. */
  fromStep: number;
  /** Where that state is: the checkpoint in the store, or the copy that a member left on the server. */
  source: 'checkpoint' | 'peer';
}

/** Who takes part, agreed by compare-and-set on (life, number, id). */
export interface View {
  /** Raised when a run starts again from a checkpoint. */
  life: number;
  number: number;
  id: string;
  members: readonly Member[];
  /** Raised when a step is discarded and done again. */
  attempt: number;
}

/** Leaves of each member: neighbours, as equal as can be, in the order of the members. */
export function rangeOf(view: View, worker: string, leaves: number): { lo: number; hi: number } | undefined {
  const position = view.members.findIndex((member) => member.worker === worker);
  if (position < 0) return undefined;
  const count = view.members.length;
  return {
    lo: Math.floor((leaves * position) / count),
    hi: Math.floor((leaves * (position + 1)) / count),
  };
}

export const ownerOf = (view: View, bucket: number): string | undefined =>
  view.members[bucket % view.members.length]?.worker;

export const rankOf = (view: View, worker: string): number =>
  view.members.findIndex((member) => member.worker === worker);

/** The next view of the same life without some members. */
export function without(view: View, gone: readonly string[], id: string): View {
  const members = view.members.filter((member) => !gone.includes(member.worker));
  return { ...view, number: view.number + 1, id, members };
}

/** The next view of the same life with newcomers that start at a step, up to `most` members. */
export function withNewcomers(
  view: View,
  newcomers: readonly string[],
  fromStep: number,
  most: number,
  id: string,
): View {
  const known = new Set(view.members.map((member) => member.worker));
  const fresh = newcomers
    .filter((worker) => !known.has(worker))
    .slice(0, Math.max(0, most - view.members.length))
    .map((worker): Member => ({ worker, fromStep, source: 'peer' }));
  return { ...view, number: view.number + 1, id, members: [...view.members, ...fresh] };
}

/** The first view of a life that starts after a checkpoint's step. */
export function firstView(
  before: View | undefined,
  life: number,
  workers: readonly string[],
  step: number,
  id: string,
): View {
  return {
    life,
    number: (before?.number ?? 0) + 1,
    id,
    attempt: 0,
    members: workers.map((worker) => ({ worker, fromStep: step + 1, source: 'checkpoint' })),
  };
}

export function parseView(text: string | null): View | undefined {
  return text === null || text === '' ? undefined : (JSON.parse(text) as View);
}
