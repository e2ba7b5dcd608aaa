export type Reply = string | number | null | Buffer | Error | Reply[];

/** Memory for a bulk reply of a length, in pieces that together have that length; undefined: take your own. */
export type Sink = (length: number) => readonly Uint8Array[] | undefined;

export interface Parser {
  /** Takes the next bytes of the stream. */
  feed: (chunk: Buffer) => void;
  /** Where the next bytes of the stream may be read into without a copy; undefined while that is not worth it. */
  target(): Uint8Array | undefined;
  /** `count` bytes were read into `buffer`; false where that was not the target, so that they have to be fed. */
  filled(buffer: Uint8Array, count: number): boolean;
}

/** Smaller rests are copied out of the chunk: a system call for each would cost more. */
const directBytes = 4_096;

interface Bulk {
  pieces: readonly Uint8Array[];
  /** What the reply is in the end: the own Buffer, or an empty one when a sink has taken the bytes. */
  reply: Buffer;
  piece: number;
  filled: number;
}

/** Reads a stream of RESP2 replies piece by piece. */
export function createParser(o: {
  onReply: (reply: Reply) => void;
  /** The sink of the command whose reply comes next. */
  sinkOfNext: () => Sink | undefined;
}): Parser {
  let line = '';
  let bulk: Bulk | undefined;
  let direct: Uint8Array | undefined;
  let toSkip = 0;
  const open: { items: Reply[]; length: number }[] = [];

  const complete = (reply: Reply) => {
    for (let value = reply; ;) {
      const top = open.at(-1);
      if (top === undefined) {
        o.onReply(value);
        return;
      }
      top.items.push(value);
      if (top.items.length < top.length) return;
      open.pop();
      value = top.items;
    }
  };
  const startBulk = (length: number) => {
    const given = open.length === 0 ? o.sinkOfNext()?.(length) : undefined;
    const own = given === undefined ? Buffer.allocUnsafeSlow(length) : Buffer.alloc(0);
    bulk = { pieces: given ?? [own], reply: own, piece: 0, filled: 0 };
    settleBulk();
  };
  const startValue = (header: string) => {
    const rest = header.slice(1);
    const number = Number(rest);
    if (header.startsWith('+')) complete(rest);
    else if (header.startsWith('-')) complete(new Error(rest));
    else if (header.startsWith(':')) complete(number);
    else if (number < 0) complete(null);
    else if (header.startsWith('$')) startBulk(number);
    else if (number === 0) complete([]);
    else open.push({ items: [], length: number });
  };
  /** Moves on to the next piece with room; ends the value after the last one. */
  const settleBulk = () => {
    if (bulk === undefined) return;
    while (bulk.filled === bulk.pieces[bulk.piece]?.byteLength) {
      bulk.piece++;
      bulk.filled = 0;
    }
    if (bulk.piece < bulk.pieces.length) return;
    const { reply } = bulk;
    bulk = undefined;
    toSkip = 2;
    complete(reply);
  };
  /** Copies into the value under way; how many bytes it took. */
  const copyInto = (value: Bulk, chunk: Buffer, at: number): number => {
    const piece = value.pieces[value.piece] as Uint8Array;
    const count = Math.min(chunk.length - at, piece.byteLength - value.filled);
    piece.set(chunk.subarray(at, at + count), value.filled);
    value.filled += count;
    settleBulk();
    return count;
  };
  const readHeader = (chunk: Buffer, at: number): number => {
    const end = chunk.indexOf(10, at);
    line += chunk.toString('latin1', at, end < 0 ? chunk.length : end);
    if (end < 0) return chunk.length;
    const header = line.endsWith('\r') ? line.slice(0, -1) : line;
    line = '';
    startValue(header);
    return end + 1;
  };
  return {
    feed(chunk) {
      for (let at = 0; at < chunk.length;) {
        if (bulk !== undefined) at += copyInto(bulk, chunk, at);
        else if (toSkip > 0) {
          const count = Math.min(toSkip, chunk.length - at);
          toSkip -= count;
          at += count;
        } else at = readHeader(chunk, at);
      }
    },
    target() {
      const piece = bulk?.pieces[bulk.piece];
      const isLarge = piece !== undefined && piece.byteLength - (bulk?.filled ?? 0) >= directBytes;
      direct = isLarge ? piece.subarray(bulk?.filled) : undefined;
      return direct;
    },
    filled(buffer, count) {
      if (bulk === undefined || buffer !== direct) return false;
      bulk.filled += count;
      settleBulk();
      return true;
    },
  };
}
