/** Leaves lo..hi-1 of the canonical tree. */
export interface Node {
  lo: number;
  hi: number;
}

/** Where a node is cut: the left part is the largest power of two that leaves something on the right. */
function middle({ lo, hi }: Node): number {
  let size = 1;
  while (size * 2 < hi - lo) size *= 2;
  return lo + size;
}

/** The canonical nodes that together cover leaves lo..hi-1 of a tree over `leaves` leaves, left to right. */
export function cover(leaves: number, lo: number, hi: number): Node[] {
  const visit = (node: Node): Node[] => {
    if (node.hi <= lo || node.lo >= hi) return [];
    if (node.lo >= lo && node.hi <= hi) return [node];
    const cut = middle(node);
    return [...visit({ lo: node.lo, hi: cut }), ...visit({ lo: cut, hi: node.hi })];
  };
  return lo >= hi ? [] : visit({ lo: 0, hi: leaves });
}

export interface NodeSums {
  add(into: Float32Array, from: Float32Array): void;
  /** Applied to every node, whether it travels or not. */
  round(values: Float32Array): void;
}

/**
 * The value of a node from those given, adding only what is not given. The order of additions depends on
 * the tree alone. Returns a given array itself where the node is given.
 */
export function sumNode(
  node: Node,
  given: (node: Node) => Float32Array | undefined,
  sums: NodeSums,
): Float32Array | undefined {
  const known = given(node);
  if (known !== undefined) return known;
  if (node.hi - node.lo === 1) return undefined;
  const cut = middle(node);
  const left = sumNode({ lo: node.lo, hi: cut }, given, sums);
  const right = left && sumNode({ lo: cut, hi: node.hi }, given, sums);
  if (left === undefined || right === undefined) return undefined;
  const sum = left.slice();
  sums.add(sum, right);
  sums.round(sum);
  return sum;
}
