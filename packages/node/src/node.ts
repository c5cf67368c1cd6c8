/**
 * One replica: takes writes and reads, and lets nothing out before it is stored.
 *
 * A write is one synchronous step (read the newest record, tick the clock, build the record, hand it to the
 * store), so no two writes of a key ever interleave; its promise settles with the store's group commit.
 */
import {
  admit,
  applyWrite,
  boundSiblings,
  type ClientContext,
  type ConflictRules,
  clientContextTime,
  contextAfterWrite,
  covers,
  decodeUtf8,
  encodeUtf8,
  type HlcTime,
  HybridLogicalClock,
  hlcToMs,
  isHlcTime,
  type KeyedRecord,
  type KeyRecord,
  latestTime,
  mergeRecords,
  type NodeId,
  type Sibling,
  type Standing,
  siblingLimit,
  type Version,
} from "@hearsay/core";
import { establishIdentity, type Identity } from "./identity.ts";
import type { Clock, Log, Metrics, Random, RecordStore } from "./ports.ts";
import { Waiters } from "./waiters.ts";

export interface NodePorts {
  readonly clock: Clock;
  readonly random: Random;
  readonly store: RecordStore;
  readonly log: Log;
  readonly metrics: Metrics;
}

export interface NodeConfig {
  /** Undefined: the name the store already has, or else `fallbackName`. */
  readonly name: string | undefined;
  readonly fallbackName: string;
  readonly cluster: string;
  readonly clockMaxDriftMs: number;
  readonly conflicts: ConflictRules;
  /** The store may have lost writes this node acknowledged: keep the data under a new incarnation. */
  readonly doubt: boolean;
  /** Calls of {@link Node.whenHeld} that may wait at one time. */
  readonly maxWaiters: number;
}

export type Content =
  | {
      readonly kind: "value";
      readonly bytes: Uint8Array;
      readonly contentType: string;
      /** Milliseconds from now until it reads as deleted; null for never. */
      readonly ttlMs: number | null;
    }
  | { readonly kind: "tombstone" };

export interface Written {
  readonly version: Version;
  /** What the write built upon; undefined for a key never heard of. */
  readonly previous: KeyRecord | undefined;
  /** What the writer has seen of the key now; goes back to it as its context. */
  readonly context: ClientContext;
  /** Settles when the write is durable; rejects with the store's error. */
  readonly committed: Promise<void>;
}

/** What came of one record of a peer. */
export interface AdmittedRecord {
  readonly key: string;
  /** What is held now; undefined when nothing is. */
  readonly record: KeyRecord | undefined;
  readonly quarantined: readonly Sibling[];
  readonly alarming: readonly Sibling[];
}

export interface Admitted {
  /** In the order of the records. */
  readonly merged: readonly AdmittedRecord[];
  /** Settles when all of it is durable. */
  readonly committed: Promise<void>;
}

export type WriteFault =
  /** The client's context lies too far ahead of this node's clock. */
  { readonly code: "clock_drift"; readonly aheadMs: number; readonly maxDriftMs: number };

const CLOCK_META = "clock";

export class Node {
  readonly identity: Identity;
  readonly #ports: NodePorts;
  readonly #config: NodeConfig;
  readonly #clock: HybridLogicalClock;
  /** Times of own writes that are not committed yet; issued in rising order, so the first is the oldest. */
  readonly #uncommitted: Set<HlcTime> = new Set();
  readonly #waiters: Waiters;
  #persistedBound: HlcTime;
  #lastWrite: HlcTime;
  /** Settles when the newest bound is durable. */
  #boundStored: Promise<void> = Promise.resolve();

  private constructor(ports: NodePorts, config: NodeConfig, identity: Identity, durableBound: HlcTime) {
    this.#ports = ports;
    this.#config = config;
    this.identity = identity;
    this.#clock = new HybridLogicalClock({ durableBound, maxDriftMs: config.clockMaxDriftMs });
    this.#persistedBound = durableBound;
    this.#lastWrite = durableBound;
    this.#waiters = new Waiters(config.maxWaiters);
  }

  /** @throws IdentityError when the store belongs to another node or cluster */
  static async open(ports: NodePorts, config: NodeConfig): Promise<Node> {
    const identity = await establishIdentity(ports.store.meta, ports.random, config);
    const bound = Number(decodeUtf8(ports.store.meta.get(CLOCK_META) ?? encodeUtf8("0")));
    return new Node(ports, config, identity, isHlcTime(bound) ? bound : 0);
  }

  get id(): NodeId {
    return this.identity.id;
  }

  /** The committed record of a key. Throws the store's error when it is damaged. */
  get(key: string): KeyRecord | undefined {
    return this.#ports.store.get(key);
  }

  /** The record the next write to the key will build on; what a precondition of that write is checked against. */
  latest(key: string): KeyRecord | undefined {
    return this.#ports.store.latest(key);
  }

  /** The versions of a key this node still has, newest first. */
  history(key: string): Sibling[] {
    return this.#ports.store.history(key);
  }

  /**
   * Writes a value or a tombstone. Writes made in one synchronous turn are committed as one atomic batch.
   * @param seen what the writer had read; undefined: the write covers all this node holds for the key
   */
  write(key: string, content: Content, seen: ClientContext | undefined): Written | WriteFault {
    const nowMs = this.#ports.clock.nowMs();
    const drift = seen === undefined ? undefined : this.observeContext(seen);
    if (drift !== undefined) return drift;
    const { previous, covered } = this.#newest(key, seen);
    const version: Version = { time: this.#clock.tick(nowMs), node: this.id };
    this.#lastWrite = version.time;
    const written = applyWrite(previous, toSibling(content, version, nowMs), covered);
    const record = this.#bounded(key, written);
    this.#persistClockBound();
    const committed = this.#whenCommitted(key, version.time, this.#ports.store.put(key, record));
    return { version, previous, context: contextAfterWrite(record, covered), committed };
  }

  /**
   * Merges a record that was made elsewhere into what is held: versions stay as they are. The clock observes it.
   * @returns when it is durable
   */
  merge(key: string, record: KeyRecord): Promise<void> | WriteFault {
    const drift = this.observe(latestTime(record));
    if (drift !== undefined) return drift;
    const held = this.#ports.store.latest(key);
    const merged = held === undefined ? record : mergeRecords(held, record);
    this.#persistClockBound();
    return this.#ports.store.put(key, this.#bounded(key, merged)).then(() => this.#notify(key));
  }

  /**
   * Merges records from a peer under the ghost rule; all or nothing when a time in them is too far ahead.
   * @param own where this node stands, `sender` where the peer stood when it sent them
   */
  admit(records: readonly KeyedRecord[], own: Standing, sender: Standing): Admitted | WriteFault {
    for (const { record } of records) {
      const drift = this.observe(latestTime(record));
      if (drift !== undefined) return drift;
    }
    const merged: AdmittedRecord[] = [];
    const stored: Promise<void>[] = [];
    for (const { key, record } of records) {
      const held = this.#ports.store.latest(key);
      const admission = admit(held, record, own, sender);
      const result = admission.record === undefined ? undefined : this.#bounded(key, admission.record);
      merged.push({ key, record: result, quarantined: admission.quarantined, alarming: admission.alarming });
      if (result === undefined || result === held) continue;
      stored.push(this.#ports.store.put(key, result).then(() => this.#notify(key)));
    }
    this.#persistClockBound();
    return { merged, committed: Promise.all(stored).then(() => undefined) };
  }

  /** A fresh time of this node's clock, durable before it is returned: no later run issues it again. */
  async tick(): Promise<HlcTime> {
    const time = this.#clock.tick(this.#ports.clock.nowMs());
    this.#persistClockBound();
    await this.#boundStored;
    return time;
  }

  /** A time at which every own write is committed: just below the oldest that is not, or else a fresh one. */
  async ownTime(): Promise<HlcTime> {
    for (const oldest of this.#uncommitted) return oldest - 1;
    return await this.tick();
  }

  /** No write of this node is later; after a restart, a time that no earlier run can have reached. */
  get lastWrite(): HlcTime {
    return this.#lastWrite;
  }

  /** Whether a write with this context would be taken; one ahead of the drift bound is refused. */
  observeContext(seen: ClientContext): WriteFault | undefined {
    return this.observe(clientContextTime(seen));
  }

  /** Takes a foreign time into account, for instance the newest one of a snapshot that is being restored. */
  observe(time: HlcTime): WriteFault | undefined {
    return this.#clock.observe(time, this.#ports.clock.nowMs());
  }

  /**
   * Whether this node durably holds or covers a version of the key. Its own versions it holds as soon as they
   * are committed, whichever key they belong to.
   */
  holds(key: string, version: Version): boolean {
    const record = this.#ports.store.get(key);
    if (record !== undefined && covers(record.context, version)) return true;
    return version.node === this.id && version.time <= this.#committedThrough();
  }

  /**
   * Calls back once, when this node comes to hold the version; at once when it does already.
   * @returns what cancels the wait; undefined when too many wait already
   */
  whenHeld(key: string, version: Version, onHeld: () => void): (() => void) | undefined {
    if (!this.holds(key, version)) return this.#waiters.add({ key, version, onHeld }, this.id);
    onHeld();
    return () => undefined;
  }

  /** Calls of {@link whenHeld} that wait at the moment. */
  get waiting(): number {
    return this.#waiters.count;
  }

  /**
   * Milliseconds since the epoch: this node holds every write of the cluster made in that millisecond or before.
   * The current one is not over yet, so it never counts.
   */
  completeThroughMs(): number {
    const nowMs = this.#ports.clock.nowMs();
    return (
      (this.#uncommitted.size === 0 ? nowMs : Math.min(nowMs, hlcToMs(this.#committedThrough() + 1))) - 1
    );
  }

  /** Every own write up to this time is committed. */
  #committedThrough(): HlcTime {
    for (const oldest of this.#uncommitted) return oldest - 1;
    return this.#clock.last;
  }

  async #whenCommitted(key: string, time: HlcTime, stored: Promise<void>): Promise<void> {
    this.#uncommitted.add(time);
    try {
      await stored;
    } finally {
      this.#uncommitted.delete(time);
    }
    this.#notify(key);
  }

  #notify(key: string): void {
    this.#waiters.committed(key, (waited, version) => this.holds(waited, version));
  }

  /**
   * What a write builds upon, and what it covers. Where the record is damaged, a write that names no context
   * covers the versions that the store still knows of it, and so heals the key.
   */
  #newest(
    key: string,
    seen: ClientContext | undefined,
  ): { readonly previous: KeyRecord | undefined; readonly covered: ClientContext | undefined } {
    try {
      return { previous: this.#ports.store.latest(key), covered: seen };
    } catch (error) {
      const lost = versionsOfDamaged(error);
      if (lost === undefined) throw error;
      const vector = new Map<NodeId, HlcTime>();
      for (const { node, time } of lost) vector.set(node, Math.max(time, vector.get(node) ?? 0));
      return { previous: undefined, covered: seen ?? { vector, dot: undefined } };
    }
  }

  #bounded(key: string, record: KeyRecord): KeyRecord {
    const bounded = boundSiblings(record, siblingLimit(this.#config.conflicts, key));
    if (bounded.dropped.length > 0) this.#reportDropped(key, bounded.dropped);
    return bounded.record;
  }

  /** Joins the batch of the write that needs it, so that the bound is durable before the version is shown. */
  #persistClockBound(): void {
    const persisted = this.#persistedBound;
    if (this.#clock.bound <= persisted) return;
    this.#persistedBound = this.#clock.bound;
    this.#boundStored = this.#ports.store.meta.put(CLOCK_META, encodeUtf8(String(this.#persistedBound)));
    this.#boundStored.catch(() => {
      // Whoever needs the bound fails with the same batch; the next one has to carry it again.
      this.#persistedBound = persisted;
    });
  }

  #reportDropped(key: string, dropped: readonly Sibling[]): void {
    this.#ports.metrics.count("hearsay_conflicts_dropped_total", dropped.length);
    this.#ports.log.warn("conflicts_dropped", { key, dropped: dropped.length });
  }
}

/** What the store's `record_damaged` says was there. */
function versionsOfDamaged(error: unknown): readonly Version[] | undefined {
  if (!(error instanceof Error) || !("fault" in error)) return undefined;
  const { fault } = error;
  if (typeof fault !== "object" || fault === null || !("code" in fault) || fault.code !== "record_damaged")
    return undefined;
  return "versions" in fault && Array.isArray(fault.versions) ? fault.versions.filter(isVersion) : undefined;
}

function isVersion(value: unknown): value is Version {
  return (
    typeof value === "object" &&
    value !== null &&
    "time" in value &&
    isHlcTime(value.time) &&
    "node" in value &&
    typeof value.node === "string"
  );
}

function toSibling(content: Content, version: Version, nowMs: number): Sibling {
  if (content.kind === "tombstone") return { kind: "tombstone", version };
  return {
    kind: "value",
    version,
    bytes: content.bytes,
    contentType: content.contentType,
    expiresAtMs: content.ttlMs === null ? null : nowMs + content.ttlMs,
  };
}
