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

export interface NodeSums {
  /** sum = a + b, all three as they travel on the wire; the sum may take the place of either. */
  add(a: Float32Array, b: Float32Array, sum: Float32Array): void;
  /** A value as it travels. */
  copy(from: Float32Array, into: Float32Array): void;
  /** Memory for a part of the sum; handed back once it is used up. */
  take(): Float32Array;
  give(values: Float32Array): void;
}

export type Given = (node: Node) => Float32Array | undefined;

/** Can the node's value be had from those given? */
export function isKnown(node: Node, given: Given): boolean {
  if (given(node) !== undefined) return true;
  return !isLeaf(node) && parts(node).every((part) => isKnown(part, given));
}

/**
 * Fills `into` with a node's value from those given, adding only what is not given. The order of additions
 * depends on the tree alone, and every node from leaf to root is rounded, whether it travels or not. The node must
 * be known.
 */
export function sumInto(into: Float32Array, node: Node, given: Given, sums: NodeSums): void {
  const known = given(node);
  if (known !== undefined) {
    sums.copy(known, into);
    return;
  }
  const [left, right] = parts(node);
  let first = given(left);
  if (first === undefined) {
    sumInto(into, left, given, sums);
    first = into;
  }
  const second = given(right);
  if (second !== undefined) sums.add(first, second, into);
  else {
    const values = sums.take();
    sumInto(values, right, given, sums);
    sums.add(first, values, into);
    sums.give(values);
  }
}
