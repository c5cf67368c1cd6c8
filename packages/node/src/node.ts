/**
 * One replica: takes writes and reads, and lets nothing out before it is stored.
 *
 * A write is one synchronous step (read the newest record, tick the clock, build the record, hand it to the
 * store), so no two writes of a key ever interleave; its promise settles with the store's group commit.
 */
import {
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
  type KeyRecord,
  type NodeId,
  type Sibling,
  siblingLimit,
  type Version,
} from "@hearsay/core";
import { establishIdentity, type Identity } from "./identity.ts";
import type { Clock, Log, Metrics, Random, RecordStore } from "./ports.ts";

export interface NodePorts {
  readonly clock: Clock;
  readonly random: Random;
  readonly store: RecordStore;
  readonly log: Log;
  readonly metrics: Metrics;
}

export interface NodeConfig {
  readonly name: string;
  readonly cluster: string;
  readonly clockMaxDriftMs: number;
  readonly conflicts: ConflictRules;
  /** The store may have lost writes this node acknowledged: keep the data under a new incarnation. */
  readonly doubt: boolean;
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
  /** What the writer has seen of the key now; goes back to it as its context. */
  readonly context: ClientContext;
  /** Settles when the write is durable; rejects with the store's error. */
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
  #persistedBound: HlcTime;

  private constructor(ports: NodePorts, config: NodeConfig, identity: Identity, durableBound: HlcTime) {
    this.#ports = ports;
    this.#config = config;
    this.identity = identity;
    this.#clock = new HybridLogicalClock({ durableBound, maxDriftMs: config.clockMaxDriftMs });
    this.#persistedBound = durableBound;
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
    if (seen !== undefined) {
      const drift = this.#clock.observe(clientContextTime(seen), nowMs);
      if (drift !== undefined) return drift;
    }
    const version: Version = { time: this.#clock.tick(nowMs), node: this.id };
    const written = applyWrite(this.#ports.store.latest(key), toSibling(content, version, nowMs), seen);
    const limit = siblingLimit(this.#config.conflicts, key);
    const { record, dropped } = boundSiblings(written, limit);
    if (dropped.length > 0) this.#reportDropped(key, dropped);
    this.#persistClockBound();
    const committed = this.#whenCommitted(version.time, this.#ports.store.put(key, record));
    return { version, context: contextAfterWrite(record, seen), committed };
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

  /** Milliseconds since the epoch up to which this node holds every write of the cluster. */
  completeThroughMs(): number {
    const nowMs = this.#ports.clock.nowMs();
    return this.#uncommitted.size === 0 ? nowMs : Math.min(nowMs, hlcToMs(this.#committedThrough()));
  }

  /** Every own write up to this time is committed. */
  #committedThrough(): HlcTime {
    for (const oldest of this.#uncommitted) return oldest - 1;
    return this.#clock.last;
  }

  async #whenCommitted(time: HlcTime, stored: Promise<void>): Promise<void> {
    this.#uncommitted.add(time);
    try {
      await stored;
    } finally {
      this.#uncommitted.delete(time);
    }
  }

  /** Joins the batch of the write that needs it, so that the bound is durable before the version is shown. */
  #persistClockBound(): void {
    const persisted = this.#persistedBound;
    if (this.#clock.bound <= persisted) return;
    this.#persistedBound = this.#clock.bound;
    this.#ports.store.meta.put(CLOCK_META, encodeUtf8(String(this.#persistedBound))).catch(() => {
      // The write that shares the batch reports the failure; the next one has to carry the bound again.
      this.#persistedBound = persisted;
    });
  }

  #reportDropped(key: string, dropped: readonly Sibling[]): void {
    this.#ports.metrics.count("hearsay_conflicts_dropped_total", dropped.length);
    this.#ports.log.warn("conflicts_dropped", { key, dropped: dropped.length });
  }
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
