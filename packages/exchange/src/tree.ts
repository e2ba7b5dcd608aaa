/** Leaves lo..hi-1 of the canonical tree. */
export interface Node {
  lo: number;
  hi: number;
}

export const isLeaf = ({ lo, hi }: Node): boolean => hi - lo === 1;

/** Where a node is cut: the left part is the largest power of two that leaves something on the right. */
function middle({ lo, hi }: Node): number {
  let size = 1;
  while (size * 2 < hi - lo) size *= 2;
  return lo + size;
}

/** Both parts of a node with more than one leaf, left first. */
function parts(node: Node): readonly [Node, Node] {
  const cut = middle(node);
  return [
    { lo: node.lo, hi: cut },
    { lo: cut, hi: node.hi },
  ];
}

/** The fewest canonical nodes that together cover exactly the held leaves of a tree over `leaves` leaves. */
export function cover(leaves: number, isHeld: (leaf: number) => boolean): Node[] {
  const visit = (node: Node): Node[] => {
    if (isLeaf(node)) return isHeld(node.lo) ? [node] : [];
    const covered = parts(node).map((part) => ({ part, nodes: visit(part) }));
    const isWhole = covered.every(({ part, nodes: [only] }) => only?.lo === part.lo && only.hi === part.hi);
    return isWhole ? [node] : covered.flatMap(({ nodes }) => nodes);
  };
  return leaves === 0 ? [] : visit({ lo: 0, hi: leaves });
}

/** Every node of the tree that holds the leaf, from the root down. */
export function pathTo(leaves: number, leaf: number): Node[] {
  const path: Node[] = [];
  for (let node: Node = { lo: 0, hi: leaves }; ;) {
    path.push(node);
    if (isLeaf(node)) return path;
    const [left, right] = parts(node);
    node = leaf < left.hi ? left : right;
  }
}

export type Given<V> = (node: Node) => V | undefined;

/** Can the node's value be had from those given? */
export function isKnown(node: Node, given: Given<unknown>): boolean {
  if (given(node) !== undefined) return true;
  return !isLeaf(node) && parts(node).every((part) => isKnown(part, given));
}

/** The additions that make a node's value, in postfix: i stands for source i, -1 for the sum of the two before it. */
export interface Additions<V> {
  sources: V[];
  order: number[];
}

/**
 * How a node's value comes from those given, adding only what is not given; undefined: something is missing. The order
 * of additions depends on the tree alone.
 */
export function additionsFor<V>(node: Node, given: Given<V>): Additions<V> | undefined {
  const sources: V[] = [];
  const order: number[] = [];
  const visit = (at: Node): boolean => {
    const known = given(at);
    if (known !== undefined) {
      order.push(sources.push(known) - 1);
      return true;
    }
    if (isLeaf(at) || !parts(at).every(visit)) return false;
    order.push(-1);
    return true;
  };
  return visit(node) ? { sources, order } : undefined;
}
