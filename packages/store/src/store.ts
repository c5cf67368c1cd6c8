/** Versioned records of one node. See docs/store.md for layout, algorithms and bounds. */
import {
  compareVersions,
  decodeUtf8,
  encodeUtf8,
  type HlcTime,
  type KeyRecord,
  type Sibling,
  type Version,
} from "@hearsay/core";
import { type Commit, damageError, recordOf } from "./change.ts";
import { Engine, type EngineCondition } from "./engine.ts";
import { type DoubtReason, StoreError } from "./faults.ts";
import { type Ghost, Ghosts, type Keeping } from "./ghosts.ts";
import { type Grave, gravesBetween, listGraves, type PurgeReport, purge } from "./graveyard.ts";
import { prefixRange, SPACE, userKey } from "./keyspace.ts";
import {
  type BucketEntry,
  type DamagedEntry,
  type ListedRecord,
  listBucket,
  listDamaged,
  listDigests,
} from "./listing.ts";
import { type OpenReport, openState } from "./opening.ts";
import type { StoreOptions } from "./ports.ts";
import { dropDamaged } from "./quarantine.ts";
import { writeSnapshot } from "./snapshot-write.ts";
import { type VerifyOptions, type VerifyReport, verify } from "./verify.ts";

export interface ScanRange {
  /** Only keys that start with this text. */
  readonly prefix: string;
  /** Only keys after this one in byte order; from the first when undefined. */
  readonly after: string | undefined;
  /** Entries in the answer at most; a chunk may end earlier. */
  readonly limit: number;
}

export interface RecordEntry {
  readonly key: string;
  readonly record: KeyRecord;
}

export interface ScanChunk {
  readonly entries: readonly RecordEntry[];
  /** Where the next chunk starts, as `after`; undefined when the range is exhausted. */
  readonly next: string | undefined;
  /** Keys of this chunk whose records are damaged and therefore not among the entries. */
  readonly damaged: readonly string[];
}

/** Small durable values of the node's own. */
export interface StoreMeta {
  /** The newest value, pending ones included. */
  get(name: string): Uint8Array | undefined;
  /** Joins the batch of the turn, see {@link Store.put}. */
  put(name: string, value: Uint8Array): Promise<void>;
}

export interface StoreStats {
  /** `full`: reads only, until there is room. `failed`: the same, until the database has been reopened. */
  readonly condition: EngineCondition;
  /** Keys with a record, those of tombstones included. */
  readonly records: number;
  /** Records whose winner is a tombstone. */
  readonly tombstones: number;
  /** Records that may be purged from some time on: tombstones and what expires. */
  readonly purgeable: number;
  /** Of keys and stored records. */
  readonly bytes: number;
  readonly damaged: number;
  /** Versions that are kept aside. */
  readonly ghosts: number;
  readonly doubt: readonly DoubtReason[];
  /** Batches since the store was opened. */
  readonly commits: number;
  readonly pendingBytes: number;
  readonly cacheBytes: number;
}

export class Store {
  readonly meta: StoreMeta;
  readonly #engine: Engine;
  readonly #ghosts: Ghosts;
  readonly #options: StoreOptions;

  private constructor(engine: Engine, ghosts: Ghosts, options: StoreOptions) {
    this.#engine = engine;
    this.#ghosts = ghosts;
    this.#options = options;
    this.meta = {
      get: (name) => engine.getMeta(name),
      put: (name, value) => engine.putMeta(name, value),
    };
  }

  /** @throws StoreError `store_locked`, `store_unreadable`, `store_version` */
  static async open(options: StoreOptions): Promise<{ store: Store; report: OpenReport }> {
    const { state, report } = await openState(options);
    const engine = new Engine(options, state);
    return { store: new Store(engine, new Ghosts(engine), options), report };
  }

  /**
   * The committed record. Its value bytes must not be changed.
   * @throws StoreError `record_damaged`, `store_unavailable`
   */
  get(key: string): KeyRecord | undefined {
    return recordOf(key, this.#engine.table.committed(key));
  }

  /**
   * As {@link get}, for one look: what is found is not kept for readers to come.
   * @throws StoreError `record_damaged`, `store_unavailable`
   */
  peek(key: string): KeyRecord | undefined {
    return recordOf(key, this.#engine.table.glance(key));
  }

  /**
   * The newest record, pending ones included: what the next write builds on.
   * @throws StoreError `record_damaged`, `store_unavailable`
   */
  latest(key: string): KeyRecord | undefined {
    return recordOf(key, this.#engine.table.newest(key));
  }

  /**
   * Replaces the record of a key. What is put in one synchronous turn, records and meta, is committed as one
   * atomic batch; the promise settles when that is as durable as configured. A damaged record is healed if the
   * new one's context covers what the index knows of it.
   * @throws StoreError as a rejection: `overloaded`, `disk_full`, `write_failed`, `record_damaged`, `store_closed`
   */
  put(key: string, record: KeyRecord): Promise<void> {
    const refusal = this.#engine.pipeline.refusal();
    if (refusal !== undefined) return Promise.reject(new StoreError(refusal));
    return this.#engine.table.put(key, record);
  }

  /** Settles as the newest put of the key does: at once when nothing of it waits for its commit. */
  settled(key: string): Promise<void> {
    return this.#engine.pipeline.settled(key);
  }

  /** One bounded chunk of committed records in byte order of their keys, tombstones included. */
  async scan(range: ScanRange): Promise<ScanChunk> {
    const { handle, table } = this.#engine;
    const after = range.after === undefined ? undefined : encodeUtf8(range.after);
    const { entries, exhausted } = await handle.read(
      prefixRange(SPACE.record, encodeUtf8(range.prefix), after),
      range.limit,
    );
    const found: RecordEntry[] = [];
    const damaged: string[] = [];
    let last: string | undefined;
    for (const [at, value] of entries) {
      const key = decodeUtf8(userKey(at));
      if (key === undefined) continue;
      last = key;
      const state = table.scanned(key, userKey(at), value);
      if (state.kind === "record") found.push({ key, record: state.record });
      else if (state.kind === "damaged") damaged.push(key);
    }
    return { entries: found, next: exhausted ? undefined : last, damaged };
  }

  /** The newest versions of the key that this node still has, newest first, the current siblings included. */
  history(key: string): Sibling[] {
    const state = this.#engine.table.committed(key);
    if (state.kind === "absent") return [];
    if (state.kind === "damaged") throw damageError(key, state);
    const versions = [...state.record.siblings, ...this.#engine.table.history(key)];
    versions.sort((a, b) => compareVersions(b.version, a.version));
    return versions.slice(0, Math.max(this.#options.limits.historyMaxVersions, state.record.siblings.length));
  }

  /** The root of the Merkle tree as 64 hexadecimal digits, exact for the moment the promise settles. */
  root(): Promise<string> {
    return this.#engine.tree.root();
  }

  /** The tree as of the last root; see `BucketTree.children`. */
  children(level: number, index: number): Uint8Array {
    return this.#engine.tree.children(level, index);
  }

  /** Keys and sibling versions (newest first) of one bucket's committed records, from the index alone. */
  bucketEntries(bucket: number): Promise<BucketEntry[]> {
    return listBucket(this.#engine, bucket);
  }

  /** The committed records of one bucket as anti-entropy compares them, from the index alone. */
  listBucket(bucket: number): Promise<ListedRecord[]> {
    return listDigests(this.#engine, bucket);
  }

  /** Removes a record as a purge would, but on a complete peer's word. @throws StoreError as for a put */
  remove(key: string): Promise<void> {
    const refusal = this.#engine.pipeline.refusal();
    if (refusal !== undefined) return Promise.reject(new StoreError(refusal));
    return this.#engine.table.remove(key);
  }

  /** See {@link dropDamaged}. @throws StoreError as for a put */
  dropDamaged(floor: HlcTime, unreadableAt: HlcTime, limit: number): Promise<readonly string[]> {
    return dropDamaged(this.#engine, { floor, unreadableAt, limit });
  }

  /** See {@link Ghosts.keep}. */
  quarantine(key: string, sibling: Sibling, kept: Keeping): Promise<boolean> {
    return this.#ghosts.keep(key, sibling, kept);
  }

  /** See {@link Ghosts.all}. */
  ghosts(key?: string): AsyncIterable<Ghost> {
    return this.#ghosts.all(key);
  }

  /** See {@link Ghosts.discard}. */
  discardGhost(key: string, version: Version): Promise<boolean> {
    return this.#ghosts.discard(key, version);
  }

  /** See {@link Ghosts.discardAll}. */
  discardGhosts(): Promise<void> {
    return this.#ghosts.discardAll();
  }

  stats(): StoreStats {
    const engine = this.#engine;
    const { records, tombstones, purgeable, bytes } = engine.tally.counters;
    return {
      condition: engine.condition,
      records,
      tombstones,
      purgeable,
      bytes,
      damaged: engine.damaged,
      ghosts: engine.ghosts,
      doubt: engine.doubt,
      commits: engine.commits,
      pendingBytes: engine.pipeline.pendingBytes,
      cacheBytes: engine.cache.bytes,
    };
  }

  /** Damaged records in byte order of their keys, at most `limit`, with what the index knows of them. */
  damaged(limit: number): Promise<DamagedEntry[]> {
    return listDamaged(this.#engine, limit);
  }

  /** Compares records, index and fingerprints while the store is in use. */
  verify(options: VerifyOptions): Promise<VerifyReport> {
    return verify(this.#engine, options);
  }

  /** A stream of all records, equal to the store at the moment it ends; {@link readSnapshot} reads it. */
  snapshot(): AsyncIterable<Uint8Array> {
    return writeSnapshot(this.#engine, this.#options.hashing, this.#options.limits.snapshotMaxChanged);
  }

  /** Records that may be purged some day, oldest first. */
  graves(limit: number): Promise<Grave[]> {
    return listGraves(this.#engine, limit);
  }

  /** Chunks of the records that may be purged from a time after the first and up to the second, oldest first. */
  gravesBetween(after: HlcTime, through: HlcTime): AsyncIterable<readonly Grave[]> {
    return gravesBetween(this.#engine, after, through);
  }

  /** Of the newest commit: rises by one with each, also across restarts. */
  get sequence(): number {
    return this.#engine.sequence;
  }

  /** Calls back in the step in which a commit becomes visible. The result ends it. */
  onCommit(listener: (commit: Commit) => void): () => void {
    this.#engine.commitListeners.add(listener);
    return () => void this.#engine.commitListeners.delete(listener);
  }

  /** Removes at most `limit` records whose every sibling is a tombstone or expired at or below the floor. */
  purge(floor: HlcTime, limit: number): Promise<PurgeReport> {
    return purge(this.#engine, floor, limit);
  }

  /** Forgets the doubt, in the batch of this turn: put the node's new identity in the same one. */
  settleDoubt(): Promise<void> {
    return this.#engine.settleDoubt();
  }

  /** Tries to recover from a full disk or a failed write. To be called every second or so; costs nothing when all is well. */
  retry(): Promise<void> {
    return this.#engine.retry();
  }

  /**
   * Resolves when everything put before is committed or refused, whatever is put meanwhile.
   * @throws StoreError `disk_full`, `write_failed` while it is not known which
   */
  flush(): Promise<void> {
    return this.#engine.pipeline.flush();
  }

  /** Commits what waits, and leaves a checkpoint so that the next open is quick. Idempotent. */
  close(): Promise<void> {
    return this.#engine.close();
  }
}
