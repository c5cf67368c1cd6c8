/** The least that satisfies the node's port: what the routes are tested on, with commits held back at will. */
import {
  compareKeys,
  type HlcTime,
  type KeyRecord,
  purgeableFrom,
  type Sibling,
  sameVersion,
  type Version,
} from "@hearsay/core";
import type { MetaStore, ScanChunk, ScanRange } from "@hearsay/node";
import type {
  Commit,
  DamagedEntry,
  Ghost,
  Grave,
  KeyState,
  StoreStats,
  VerifyOptions,
  VerifyReport,
} from "@hearsay/store";
import type { ServedStore } from "../services.ts";

export class MemoryStore implements ServedStore {
  readonly committed: Map<string, KeyRecord> = new Map();
  readonly pending: Map<string, KeyRecord> = new Map();
  readonly replaced: Map<string, Sibling[]> = new Map();
  readonly #meta: Map<string, Uint8Array> = new Map();
  readonly #newestPuts: Map<string, Promise<void>> = new Map();
  readonly #listeners: Set<(commit: Commit) => void> = new Set();
  sequence: number = 0;
  #waiting: (() => void)[] | undefined;
  #onPut: (() => void) | undefined;
  condition: StoreStats["condition"] = "ok";
  /** What the next put rejects with. */
  failure: Error | undefined;

  readonly meta: MetaStore = {
    get: (name) => this.#meta.get(name),
    put: async (name, value) => {
      this.#meta.set(name, value);
    },
  };

  get(key: string): KeyRecord | undefined {
    return this.committed.get(key);
  }

  peek(key: string): KeyRecord | undefined {
    return this.get(key);
  }

  latest(key: string): KeyRecord | undefined {
    return this.pending.get(key) ?? this.committed.get(key);
  }

  /** Settles with the next put that waits. */
  nextPut(): Promise<void> {
    return new Promise((resolve) => {
      this.#onPut = resolve;
    });
  }

  put(key: string, record: KeyRecord): Promise<void> {
    if (this.failure !== undefined) {
      const { failure } = this;
      this.failure = undefined;
      return Promise.reject(failure);
    }
    this.pending.set(key, record);
    this.#onPut?.();
    const put = new Promise<void>((resolve) => {
      const commit = (): void => {
        const before = this.committed.get(key);
        if (before !== undefined)
          this.replaced.set(key, [...before.siblings, ...(this.replaced.get(key) ?? [])]);
        this.committed.set(key, record);
        this.#tell(key, before, record);
        if (this.pending.get(key) === record) this.pending.delete(key);
        resolve();
      };
      if (this.#waiting === undefined) queueMicrotask(commit);
      else this.#waiting.push(commit);
    });
    this.#newestPuts.set(key, put);
    return put;
  }

  settled(key: string): Promise<void> {
    return this.#newestPuts.get(key) ?? Promise.resolve();
  }

  async remove(key: string): Promise<void> {
    const before = this.committed.get(key);
    this.pending.delete(key);
    this.committed.delete(key);
    this.#tell(key, before, undefined);
  }

  onCommit(listener: (commit: Commit) => void): () => void {
    this.#listeners.add(listener);
    return () => void this.#listeners.delete(listener);
  }

  #tell(key: string, before: KeyRecord | undefined, after: KeyRecord | undefined): void {
    this.sequence += 1;
    const changes = [{ key, before: stateOf(before), after: stateOf(after) }];
    for (const listener of this.#listeners) listener({ sequence: this.sequence, changes });
  }

  async *gravesBetween(after: HlcTime, through: HlcTime): AsyncGenerator<readonly Grave[]> {
    const graves: Grave[] = [];
    for (const [key, record] of this.committed) {
      const at = purgeableFrom(record);
      if (at !== undefined && at > after && at <= through) graves.push({ key, purgeableFrom: at });
    }
    yield graves;
  }

  /** From now on puts wait. */
  hold(): void {
    this.#waiting ??= [];
  }

  release(): void {
    const waiting = this.#waiting ?? [];
    this.#waiting = undefined;
    for (const commit of waiting) commit();
  }

  async scan(range: ScanRange): Promise<ScanChunk> {
    const keys = [...this.committed.keys()]
      .filter(
        (key) =>
          key.startsWith(range.prefix) && (range.after === undefined || compareKeys(key, range.after) > 0),
      )
      .sort(compareKeys);
    const entries = keys.slice(0, Math.min(range.limit, 256)).flatMap((key) => {
      const record = this.committed.get(key);
      return record === undefined ? [] : [{ key, record }];
    });
    return { entries, next: entries.length < keys.length ? entries.at(-1)?.key : undefined, damaged: [] };
  }

  stats(): StoreStats {
    return {
      condition: this.condition,
      records: this.committed.size,
      tombstones: 0,
      purgeable: 0,
      bytes: 0,
      damaged: 0,
      ghosts: this.kept.length,
      doubt: [],
      commits: 0,
      pendingBytes: 0,
      cacheBytes: 0,
    };
  }

  async graves(): Promise<Grave[]> {
    return [];
  }

  /** Kept aside. */
  readonly kept: Ghost[] = [];

  async *ghosts(key?: string): AsyncGenerator<Ghost> {
    for (const ghost of this.kept) if (key === undefined || ghost.key === key) yield ghost;
  }

  async discardGhost(key: string, version: Version): Promise<boolean> {
    const at = this.kept.findIndex(
      (ghost) => ghost.key === key && sameVersion(ghost.sibling.version, version),
    );
    if (at !== -1) this.kept.splice(at, 1);
    return at !== -1;
  }

  async *snapshot(): AsyncGenerator<Uint8Array> {
    yield new Uint8Array(0);
  }

  /** What the next verify finds, or fails with. */
  verified: Partial<VerifyReport> | Error = {};
  damagedEntries: DamagedEntry[] = [];

  async verify({ deep, onProgress }: VerifyOptions): Promise<VerifyReport> {
    onProgress?.(this.committed.size);
    if (this.verified instanceof Error) throw this.verified;
    return {
      deep,
      records: this.committed.size,
      indexEntries: this.committed.size,
      recordBucketsDiffering: 0,
      indexBucketsDiffering: 0,
      damaged: this.damagedEntries.length,
      differingKeys: [],
      consistent: true,
      ...this.verified,
    };
  }

  async damaged(limit: number): Promise<DamagedEntry[]> {
    return this.damagedEntries.slice(0, limit);
  }

  history(key: string): Sibling[] {
    return [...(this.committed.get(key)?.siblings ?? []), ...(this.replaced.get(key) ?? [])];
  }
}

/** As much of it as watchers look at. */
function stateOf(record: KeyRecord | undefined): KeyState {
  if (record === undefined) return { kind: "absent" };
  const versions = record.siblings.map(({ version }) => version);
  const summary = { versions, bytes: 0, tombstone: false, purgeableFrom: undefined };
  return { kind: "record", record, revision: 0, bucket: undefined, summary };
}
