/**
 * What stands between the store's calls and the database: the commit pipeline with its journal, and everything
 * that has to follow a commit in one step. Recovers from failed writes.
 */
import type { RecordHasher } from "@hearsay/core";
import { BucketTree } from "./bucket-tree.ts";
import type { Change, Commit } from "./change.ts";
import { encodeCheckpoint } from "./checkpoint.ts";
import type { Codec } from "./codec.ts";
import { CommitPipeline, type Group } from "./commit.ts";
import type { DatabaseHandle } from "./database-handle.ts";
import { DAMAGE_NOTE, encodeDoubt } from "./environment.ts";
import { type DoubtReason, errorDetail, isDiskFull, StoreError, type StoreFault } from "./faults.ts";
import { journalHolds } from "./journal.ts";
import { journalKey, metaKey, systemKey } from "./keyspace.ts";
import type { StoreOptions } from "./ports.ts";
import type { Presence } from "./presence.ts";
import { RecordCache } from "./record-cache.ts";
import { applyToTally, Table } from "./table.ts";
import type { Tally } from "./tally.ts";

/** What opening has found out. */
export interface OpenedState {
  readonly handle: DatabaseHandle;
  readonly codec: Codec;
  readonly hasher: RecordHasher;
  readonly tally: Tally;
  readonly presence: Presence;
  /** Of the newest commit. */
  readonly sequence: number;
  readonly metas: Map<string, Uint8Array>;
  readonly doubt: Set<DoubtReason>;
  readonly damaged: number;
  readonly ghosts: number;
  readonly historySlotsEver: number;
}

export type EngineCondition = "ok" | "full" | "failed" | "closed";

export class Engine {
  readonly handle: DatabaseHandle;
  readonly codec: Codec;
  readonly hasher: RecordHasher;
  readonly tally: Tally;
  readonly #presence: Presence;
  readonly cache: RecordCache;
  readonly pipeline: CommitPipeline;
  readonly table: Table;
  readonly tree: BucketTree;
  /** Told of every change in the step that commits it. */
  readonly listeners: Set<(change: Change) => void> = new Set();
  /** Told of each commit as a whole, after all that follows from it has been done. */
  readonly commitListeners: Set<(commit: Commit) => void> = new Set();
  readonly #options: StoreOptions;
  readonly #metas: Map<string, Uint8Array>;
  readonly #doubt: Set<DoubtReason>;
  #sequence: number;
  #damaged: number;
  #ghosts: number;
  #commits: number = 0;
  #condition: EngineCondition = "ok";
  /** The group whose outcome is unknown until the database has been reopened. */
  #unresolved: Group | undefined;
  #reopening: Promise<void> | undefined;

  constructor(options: StoreOptions, opened: OpenedState) {
    this.#options = options;
    this.handle = opened.handle;
    this.codec = opened.codec;
    this.hasher = opened.hasher;
    this.tally = opened.tally;
    this.#presence = opened.presence;
    this.#sequence = opened.sequence;
    this.#metas = opened.metas;
    this.#doubt = opened.doubt;
    this.#damaged = opened.damaged;
    this.#ghosts = opened.ghosts;
    this.cache = new RecordCache(options.limits.cacheMaxBytes, (key, value, bucket) =>
      this.table.unpack(key, value, bucket),
    );
    opened.handle.onReadFailed = (detail) => this.#readFailed(detail);
    this.tree = new BucketTree(options.hashing, opened.tally, () => options.yieldToEventLoop());
    this.pipeline = new CommitPipeline({
      pendingMaxBytes: options.limits.pendingMaxBytes,
      yieldToEventLoop: () => options.yieldToEventLoop(),
      openBatch: () => this.handle.current.batch(),
      write: (group) => this.#write(group),
      prepare: (group) => this.table.prepare(group),
      committed: (group) => this.#committed(group),
      failed: (group, error) => this.#failed(group, error),
    });
    this.table = new Table({
      handle: opened.handle,
      codec: opened.codec,
      hasher: opened.hasher,
      presence: opened.presence,
      cache: this.cache,
      pipeline: this.pipeline,
      historySlots: options.limits.historyMaxVersions - 1,
      historySlotsEver: opened.historySlotsEver,
      onEvent: (event) => options.onEvent(event),
      onDamage: () => {
        this.noteDamage();
        this.#raiseDoubt("damaged_records");
      },
    });
  }

  yieldToEventLoop(): Promise<void> {
    return this.#options.yieldToEventLoop();
  }

  get condition(): EngineCondition {
    return this.#condition;
  }

  get commits(): number {
    return this.#commits;
  }

  /** Of the newest commit. */
  get sequence(): number {
    return this.#sequence;
  }

  get damaged(): number {
    return this.#damaged;
  }

  get ghosts(): number {
    return this.#ghosts;
  }

  get doubt(): readonly DoubtReason[] {
    return [...this.#doubt];
  }

  getMeta(name: string): Uint8Array | undefined {
    return this.pipeline.pendingMeta(name) ?? this.#metas.get(name);
  }

  putMeta(name: string, value: Uint8Array): Promise<void> {
    const refusal = this.pipeline.refusal();
    if (refusal !== undefined) return Promise.reject(new StoreError(refusal));
    const group = this.pipeline.open();
    const key = metaKey(name);
    // Not `slice`, which shares the memory of a Buffer.
    const kept = new Uint8Array(value);
    group.metas.set(name, kept);
    group.put(key, this.codec.encodePlain(key, kept));
    return group.settled;
  }

  async settleDoubt(): Promise<void> {
    const refusal = this.pipeline.refusal();
    if (refusal !== undefined) throw new StoreError(refusal);
    const settled = [...this.#doubt];
    const group = this.pipeline.open();
    group.del(systemKey("doubt"));
    this.#doubt.clear();
    try {
      await group.settled;
    } catch (error) {
      for (const reason of settled) this.#doubt.add(reason);
      throw error;
    }
  }

  /** Reopens the database after a failed write, or after disk full once there is room. Concurrent calls share one attempt. */
  retry(): Promise<void> {
    if (this.#condition === "ok" || this.#condition === "closed") return Promise.resolve();
    this.#reopening ??= this.#reopen().finally(() => {
      this.#reopening = undefined;
    });
    return this.#reopening;
  }

  /** Commits what waits, leaves a checkpoint, closes. */
  async close(): Promise<void> {
    if (this.#condition === "closed") return;
    await this.pipeline.idle();
    await this.#reopening;
    const clean = this.#condition === "ok";
    this.#condition = "closed";
    this.pipeline.halt({ code: "store_closed", outcome: "none" });
    try {
      if (clean && !this.tally.suspect) await this.#writeCheckpoint();
    } catch (error) {
      // Nothing is lost: the next open reads everything instead.
      this.#options.onEvent({ code: "checkpoint_failed", detail: errorDetail(error) });
    } finally {
      await this.handle.close();
    }
  }

  /** Has the next start salvage the database: where one entry is damaged, its table may be. */
  noteDamage(): void {
    if (this.pipeline.refusal() !== undefined) return;
    const key = systemKey(DAMAGE_NOTE);
    // Nobody waits for it: where it fails, the damage is found and noted again.
    this.pipeline.open().put(key, this.codec.encodePlain(key, new Uint8Array(0)));
  }

  /** Without a checkpoint the next start reads everything. */
  #readFailed(detail: string): void {
    this.#options.onEvent({ code: "read_failed", detail });
    this.tally.suspect = true;
    this.noteDamage();
    if (this.pipeline.refusal() === undefined) this.#raiseDoubt("damaged_records");
  }

  async #writeCheckpoint(): Promise<void> {
    const key = systemKey("checkpoint");
    const checkpoint = encodeCheckpoint({
      sequence: this.#sequence,
      tally: this.tally,
      presence: this.#presence,
    });
    const batch = this.handle.current.batch();
    batch.put(key, this.codec.encodePlain(key, checkpoint));
    await batch.write({ sync: true });
  }

  #raiseDoubt(reason: DoubtReason): void {
    if (this.#doubt.has(reason)) return;
    this.#doubt.add(reason);
    this.#options.onEvent({ code: "doubt", reason });
    const key = systemKey("doubt");
    const value = this.codec.encodePlain(key, encodeDoubt(this.#doubt));
    const group = this.pipeline.open();
    group.put(key, value);
    group.settled.catch(() => {
      // Nobody waits for it. The doubt stands in this run, and the next damaged read raises it again.
      this.#doubt.delete(reason);
    });
  }

  async #write(group: Group): Promise<void> {
    const sequence = this.#sequence + 1;
    const key = journalKey(sequence);
    group.batch.put(key, this.codec.encodeSequence(key, sequence));
    // What a node knows of itself and its cluster outlives a power cut, whatever is risked of the data.
    const sync = this.#options.durability === "fsync" || group.metas.size > 0;
    await group.batch.write({ sync });
  }

  #committed(group: Group): void {
    this.#sequence += 1;
    this.#commits += 1;
    try {
      this.#options.sequenceFile.write(this.#sequence);
    } catch (error) {
      // The batch is durable; a side file that lags only notices less.
      this.#options.onEvent({ code: "sequence_file_failed", detail: errorDetail(error) });
    }
    applyToTally(this.tally, group);
    this.table.apply(group);
    this.#ghosts += group.ghosts;
    for (const [name, value] of group.metas) this.#metas.set(name, value);
    for (const change of group.changes.values()) {
      if (change.loses !== undefined || change.gains !== undefined) this.tree.touch(change.bucket);
      if (change.before.kind === "damaged" && !change.before.counted) this.#damaged -= 1;
      if (change.after.kind === "damaged") this.#damaged += 1;
      for (const listener of this.listeners) listener(change);
    }
    for (const listener of this.commitListeners) {
      listener({ sequence: this.#sequence, changes: group.changes.values() });
    }
  }

  #failed(group: Group, error: unknown): { readonly fault: StoreFault; readonly halt: StoreFault } {
    const detail = errorDetail(error);
    this.#unresolved = group;
    if (isDiskFull(error)) {
      this.#condition = "full";
      this.#options.onEvent({ code: "disk_full", detail });
      return {
        fault: { code: "disk_full", outcome: "unknown" },
        halt: { code: "disk_full", outcome: "none" },
      };
    }
    this.#condition = "failed";
    this.#options.onEvent({ code: "write_failed", detail });
    void Promise.resolve().then(() => this.retry());
    return {
      fault: { code: "write_failed", outcome: "unknown", detail },
      halt: { code: "write_failed", outcome: "none", detail },
    };
  }

  async #reopen(): Promise<void> {
    const group = this.#unresolved;
    let committed: boolean;
    try {
      if (this.#condition === "full" && !(await this.#options.hasRoom())) return;
      await this.handle.close();
      await this.handle.open({ createIfMissing: false });
      // A batch is atomic, so its journal entry tells whether all of it is there.
      committed = group !== undefined && journalHolds(this.handle, this.codec, this.#sequence + 1);
    } catch (error) {
      this.#options.onEvent({ code: "reopen_failed", detail: errorDetail(error) });
      return;
    }
    this.#unresolved = undefined;
    const keys = group?.changes.size ?? 0;
    this.table.forget(group?.changes.keys() ?? []);
    if (group !== undefined && committed) this.#committed(group);
    this.#condition = "ok";
    this.pipeline.resume();
    this.#options.onEvent({
      code: "reopened",
      committedKeys: committed ? keys : 0,
      lostKeys: committed ? 0 : keys,
    });
  }
}
