/** The doors through which a node touches the world. The server and the simulator differ only in what stands behind them. */
import type { KeyRecord, Sibling } from "@hearsay/core";

export interface Clock {
  /** Wall clock in milliseconds since the epoch. May jump. */
  nowMs(): number;
}

export interface Random {
  /** Uniform in [0, 1). */
  next(): number;
}

export type LogFields = Readonly<Record<string, string | number | boolean | null>>;

export interface Log {
  info(event: string, fields: LogFields): void;
  warn(event: string, fields: LogFields): void;
  error(event: string, fields: LogFields): void;
}

export interface Metrics {
  /** Adds to a counter; its name is one of those `docs/metrics.md` lists. */
  count(name: string, amount: number): void;
}

export interface ScanRange {
  /** Only keys that start with this text. */
  readonly prefix: string;
  /** Only keys after this one in byte order; from the first when undefined. */
  readonly after: string | undefined;
  /** Entries in the answer at most; a chunk may end earlier. */
  readonly limit: number;
}

export interface ScanChunk {
  readonly entries: readonly { readonly key: string; readonly record: KeyRecord }[];
  /** Where the next chunk starts, as `after`; undefined when the range is exhausted. */
  readonly next: string | undefined;
  /** Keys of this chunk whose records are damaged and therefore not among the entries. */
  readonly damaged: readonly string[];
}

/**
 * Durable records. All calls throw `StoreError` for what the disk or the load causes.
 */
export interface RecordStore {
  /** The committed record: what readers may see. Synchronous, from memory or the database. */
  get(key: string): KeyRecord | undefined;
  /** The same for one look, as when a message is made: what is found is not kept in memory for readers to come. */
  peek(key: string): KeyRecord | undefined;
  /** The newest record, pending ones included: what the next write to the key builds on. The same within a turn until it is put. */
  latest(key: string): KeyRecord | undefined;
  /**
   * Replaces the record of a key. What is put in one synchronous turn, records and meta, is committed as one
   * atomic batch; the promise settles when that batch is as durable as configured.
   */
  put(key: string, record: KeyRecord): Promise<void>;
  /** Settles as the newest put of the key does: at once when nothing of it waits for its commit. */
  settled(key: string): Promise<void>;
  /** Removes the record of a key, damaged or not, in the batch of the turn; a put that follows replaces it. */
  remove(key: string): Promise<void>;
  /** One bounded chunk of committed records in byte order of their keys, tombstones included. */
  scan(range: ScanRange): Promise<ScanChunk>;
  /** The newest versions of the key that this node still has, newest first, the current siblings included. */
  history(key: string): Sibling[];
  /** A small durable value of the node's own, under a name; see {@link RecordStore.put} for atomicity. */
  readonly meta: MetaStore;
}

export interface MetaStore {
  get(name: string): Uint8Array | undefined;
  put(name: string, value: Uint8Array): Promise<void>;
}
