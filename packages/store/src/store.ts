export interface StoredObject {
  key: string;
  sizeBytes: number;
}

export interface PutOptions {
  signal?: AbortSignal;
  ifAbsent?: boolean;
  bytesPerSecond?: number;
}

/**
 * A flat space of immutable-minded objects: keys are '/'-separated names, bodies appear whole or not at
 * all. Every method has a deadline and fails with a Failure whose code starts with STORE_.
 */
export interface Store {
  readonly url: string;
  /** @throws Failure('STORE_NOT_FOUND') */
  get(key: string, o?: { signal?: AbortSignal }): Promise<Uint8Array>;
  head(key: string): Promise<{ sizeBytes: number } | undefined>;
  /**
   * @param o.ifAbsent fails when the key exists already; of several racing writers one wins
   * @param o.bytesPerSecond writes no faster than that, so that others get their share of link and disk
   * @throws Failure('STORE_CONFLICT') with ifAbsent
   */
  put(key: string, body: Uint8Array | string, o?: PutOptions): Promise<void>;
  /** All objects whose keys start with the prefix, in key order. */
  list(prefix: string): AsyncIterable<StoredObject>;
  /** No error when there is nothing to delete. */
  delete(key: string): Promise<void>;
  /** The file behind a key where there is one. */
  localPath(key: string): string | undefined;
  /** Adds a line to a joined log; only where the store can append, else nothing happens. */
  append?(key: string, text: string): Promise<void>;
  close(): Promise<void>;
}
