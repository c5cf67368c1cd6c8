/** What the store is handed from outside: it touches no file, no clock and no randomness itself. */
import type { Hashing } from "@hearsay/core";
import type { StoreEvent } from "./faults.ts";

/** The slice of abstract-level 3 in use, with raw bytes (`view` encodings) for keys and values. */
export interface Database {
  open(options: { readonly createIfMissing: boolean }): Promise<void>;
  close(): Promise<void>;
  getSync(key: Uint8Array): Uint8Array | undefined;
  batch(): DatabaseBatch;
  iterator(range: DatabaseRange): DatabaseIterator;
}

export interface DatabaseBatch {
  put(key: Uint8Array, value: Uint8Array): unknown;
  del(key: Uint8Array): unknown;
  write(options: { readonly sync: boolean }): Promise<void>;
}

/** Keys from `gte` on and before `lt`. */
export interface DatabaseRange {
  readonly gte: Uint8Array;
  readonly lt: Uint8Array;
  /** From the last key to the first. */
  readonly reverse?: boolean;
  /** False: without values, which saves half of what an entry costs. */
  readonly values?: boolean;
  /** Where there are no values. */
  readonly valueEncoding?: "utf8";
  readonly highWaterMarkBytes: number;
}

export interface DatabaseIterator {
  nextv(size: number): Promise<[Uint8Array, Uint8Array][]>;
  close(): Promise<void>;
}

/** Makes an unopened database with `view` encodings over the same directory each time. */
export type DatabaseFactory = (options: {
  readonly cacheBytes: number;
  readonly writeBufferBytes: number;
}) => Database;

/**
 * The newest acknowledged commit sequence, in a file outside the database. Called once for each batch, so it must
 * be cheap; it need not be synced.
 */
export interface SequenceFile {
  /** 0 when there is no such file; what is no sequence, NaN for instance, when there is one that cannot be read. */
  read(): number;
  write(sequence: number): void;
}

export interface Environment {
  /** Changes with every boot of the machine. */
  readonly bootId: string;
  /** Changes when the data directory is copied or restored: device and inode, for instance. */
  readonly directoryStamp: string;
}

/** Of a data directory, ready to be put in the place of the present one. */
export interface StampRenewal {
  readonly directoryStamp: string;
  /** Called once it is stored that the directory may bear either. Returns when the new one outlives a power cut. */
  apply(): void;
}

/** `fsync`: acknowledged after a synced batch. `os`: after a buffered one, which a power cut loses. */
export type Durability = "fsync" | "os";

export interface StoreLimits {
  /** Decoded newest records, in bytes by estimate. */
  readonly cacheMaxBytes: number;
  /** The database's own cache of table blocks. */
  readonly blockCacheBytes: number;
  /** Reopening after a crash replays up to this much. */
  readonly writeBufferBytes: number;
  /** Encoded bytes that may wait for their commit. */
  readonly pendingMaxBytes: number;
  /** Versions of a key that are kept, the current siblings included. 1 keeps none but those. */
  readonly historyMaxVersions: number;
  /** At most 256: see the store's page on LevelDB's stale reads. */
  readonly scanChunkEntries: number;
  readonly scanChunkBytes: number;
  /** Keys that may change behind the cursor of one snapshot. */
  readonly snapshotMaxChanged: number;
}

const MIB = 1024 * 1024;

export const DEFAULT_STORE_LIMITS: StoreLimits = {
  cacheMaxBytes: 32 * MIB,
  blockCacheBytes: 32 * MIB,
  writeBufferBytes: 16 * MIB,
  pendingMaxBytes: 64 * MIB,
  historyMaxVersions: 10,
  scanChunkEntries: 256,
  scanChunkBytes: MIB,
  snapshotMaxChanged: 100_000,
};

export interface StoreOptions {
  readonly openDatabase: DatabaseFactory;
  /**
   * Called with the database closed, when it is too damaged to be used: keeps a copy of the whole directory aside,
   * then puts in its place a fresh database with what `rewriteDatabase` saves of another copy (after LevelDB's
   * repair, if that copy does not open). Best done in a process of its own. Rejects when it cannot. Without it
   * such a store does not open.
   */
  readonly salvage?: () => Promise<void>;
  readonly hashing: Hashing;
  /** 32 bytes that all nodes of the cluster share. */
  readonly digestKey: Uint8Array;
  readonly durability: Durability;
  readonly sequenceFile: SequenceFile;
  readonly environment: Environment;
  /**
   * Called at each opening, with the database locked, so that a database of an earlier run that is put back in its place names
   * a stamp that no directory bears any more. Without it such a one passes for the newest.
   * @throws StoreError `store_locked` where another process has renewed the stamp since it was read
   */
  readonly renewStamp?: () => StampRenewal;
  /** Resolves after the event loop has served what was waiting: `setImmediate` on Node. */
  yieldToEventLoop(): Promise<void>;
  /** Whether the disk has room again, with a margin: reopening itself writes up to `writeBufferBytes`. */
  hasRoom(): Promise<boolean>;
  onEvent(event: StoreEvent): void;
  /** Called with what is stored beside the records, before any of them is looked at or changed: why the store is not to be opened. */
  readonly refusal?: (metas: ReadonlyMap<string, Uint8Array>) => Error | undefined;
  readonly limits: StoreLimits;
}
