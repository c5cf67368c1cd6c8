/**
 * One replica: takes writes and reads, and lets nothing out before it is stored.
 *
 * A write is one synchronous step (read the newest record, tick the clock, build the record, hand it to the
 * store), so no two writes of a key ever interleave; its promise settles with the store's group commit.
 */
import {
  applyWrite,
  type ClientContext,
  type ConflictRules,
  clientContextCovers,
  clientContextTime,
  contextAfterWrite,
  covers,
  type HlcTime,
  hlcFromMs,
  hlcToMs,
  type KeyedRecord,
  type KeyRecord,
  latestTime,
  type NodeId,
  type RefusedVersions,
  type Sibling,
  type Standing,
  type Version,
} from "@hearsay/core";
import { type Content, toSibling } from "./content.ts";
import { readOrLost } from "./damaged.ts";
import { DurableClock } from "./durable-clock.ts";
import { establishIdentity, type Identity } from "./identity.ts";
import { knownPart } from "./known-context.ts";
import { type Admitted, type FloorsDiffer, Merging, type TakenMail, type WriteFault } from "./merging.ts";
import type { Clock, Log, Metrics, Random, RecordStore } from "./ports.ts";
import { Uncommitted } from "./uncommitted.ts";
import { Waiters } from "./waiters.ts";

export interface NodePorts {
  readonly clock: Clock;
  readonly random: Random;
  readonly store: RecordStore;
  readonly log: Log;
  readonly metrics: Metrics;
  /** Forgets the store's doubt in the batch of the turn, which is the one that stores the new identity. */
  settleDoubt?(): Promise<void>;
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

export interface Written {
  readonly version: Version;
  /** What the write built upon; undefined for a key never heard of. */
  readonly previous: KeyRecord | undefined;
  /** What the writer has seen of the key now; goes back to it as its context. */
  readonly context: ClientContext;
  /** Settles when the write is durable; rejects with the store's error. */
  readonly committed: Promise<void>;
}

export class Node {
  readonly identity: Identity;
  readonly #ports: NodePorts;
  readonly #clock: DurableClock;
  readonly #uncommitted: Uncommitted;
  readonly #waiters: Waiters;
  readonly #merging: Merging;
  #lastWrite: HlcTime;
  #isKnown: (id: NodeId) => boolean = (id) => id === this.id || this.identity.retired.includes(id);

  private constructor(ports: NodePorts, config: NodeConfig, identity: Identity, clock: DurableClock) {
    this.#ports = ports;
    this.identity = identity;
    this.#clock = clock;
    this.#lastWrite = clock.last;
    this.#waiters = new Waiters(config.maxWaiters);
    this.#merging = new Merging({
      store: ports.store,
      log: ports.log,
      metrics: ports.metrics,
      clock,
      conflicts: config.conflicts,
      stored: (key) => this.#notify(key),
    });
    this.#uncommitted = new Uncommitted(
      (keys) => {
        if (this.#waiters.count > 0) for (const key of keys) this.#notify(key);
      },
      (oldest) => clock.batchFailed(oldest),
    );
  }

  /** @throws IdentityError when the store belongs to another node or cluster, or does not say to which */
  static async open(ports: NodePorts, config: NodeConfig): Promise<Node> {
    const { store, clock, random } = ports;
    const { clockMaxDriftMs: maxDriftMs, doubt } = config;
    const durable = new DurableClock(store.meta, clock, { maxDriftMs, doubt });
    // Where the bound on the clock is lost, what is here may be as far ahead of the wall clock as any that was accepted.
    const now = Math.max(durable.last, hlcFromMs(clock.nowMs() + maxDriftMs));
    const wanted = { ...config, now };
    const identity = await establishIdentity(store.meta, random, wanted, () => {
      durable.store();
      return ports.settleDoubt?.();
    });
    return new Node(ports, config, identity, durable);
  }

  get id(): NodeId {
    return this.identity.id;
  }

  /** From now on clients' contexts may bring ids into records that are known to be of nodes: members, past and present. */
  recognise(isKnown: (id: NodeId) => boolean): void {
    this.#isKnown = (id) => id === this.id || isKnown(id);
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
   * @throws the store's error when the record is damaged and `seen` does not cover what was in it
   */
  write(key: string, content: Content, seen: ClientContext | undefined): Written | WriteFault {
    const nowMs = this.#ports.clock.nowMs();
    const drift = seen === undefined ? undefined : this.observeContext(seen);
    if (drift !== undefined) return drift;
    const { previous, covered } = this.#newest(key, seen);
    // Where the bound on the clock was lost, what is held may be ahead of it.
    if (previous !== undefined) this.#clock.follow(latestTime(previous));
    else if (seen === undefined && covered !== undefined) this.#clock.follow(clientContextTime(covered));
    const version: Version = { time: this.#clock.tick(nowMs), node: this.id };
    this.#lastWrite = version.time;
    const written = applyWrite(previous, toSibling(content, version, nowMs), covered);
    const record = this.#merging.bounded(key, written);
    this.#clock.persist();
    const committed = this.#uncommitted.add(key, version.time, this.#ports.store.put(key, record));
    return { version, previous, context: contextAfterWrite(record, covered), committed };
  }

  /** See {@link Merging.merge}. */
  merge(key: string, record: KeyRecord): Promise<void> | WriteFault {
    return this.#merging.merge(key, record);
  }

  /** See {@link Merging.admit}. */
  admit(
    records: readonly KeyedRecord[],
    own: Standing,
    sender: Standing,
    refused: readonly RefusedVersions[],
  ): Admitted | WriteFault | FloorsDiffer {
    return this.#merging.admit(records, own, sender, refused);
  }

  /** See {@link Merging.takeMail}. */
  takeMail(records: readonly KeyedRecord[], floor: HlcTime, reached: HlcTime): TakenMail | WriteFault {
    return this.#merging.takeMail(records, floor, reached);
  }

  /** A fresh time of this node's clock, durable before it is returned: no later run issues it again. */
  tick(): Promise<HlcTime> {
    return this.#clock.durableTick();
  }

  /**
   * A time at which every own write is committed: just below the oldest that is not, or else a fresh one. Durable before
   * it is returned, for whoever is told it takes it that this node writes nothing below it any more. While the store cannot
   * tell whether a write that failed is on disk, there is no such time.
   * @throws the store's error
   */
  async ownTime(): Promise<HlcTime> {
    const { oldest } = this.#uncommitted;
    if (oldest === undefined) return await this.tick();
    this.#clock.persist();
    await this.#clock.stored();
    return oldest - 1;
  }

  /** The greatest time issued or observed; after a restart, none that an earlier run has answered in an exchange is above it. */
  get latestTime(): HlcTime {
    return this.#clock.last;
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
    return this.#clock.observe(time);
  }

  /**
   * Whether this node durably holds or covers a version of the key. Its own versions it holds as soon as they
   * are committed, whichever key they belong to.
   */
  holds(key: string, version: Version): boolean {
    const { record } = readOrLost(() => this.#ports.store.peek(key));
    return (record !== undefined && covers(record.context, version)) || this.holdsOwn(version);
  }

  /** Whether the version is this node's own and it, like all own ones before it, is committed, or is known to be lost. */
  holdsOwn({ node, time }: Version): boolean {
    return node === this.id && time <= this.#committedThrough();
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
    return Math.min(nowMs, hlcToMs(this.#oldestUnsure())) - 1;
  }

  /** Every own write up to this time is committed. */
  #committedThrough(): HlcTime {
    return Math.min(this.#clock.last, this.#oldestUnsure() - 1);
  }

  /** The oldest own write that is not known to be committed, one that failed and may be on disk among them; infinite where there is none. */
  #oldestUnsure(): number {
    return Math.min(this.#uncommitted.oldest ?? Infinity, this.#clock.oldestFailed ?? Infinity);
  }

  #notify(key: string): void {
    this.#waiters.committed(key, (waited, version) => this.holds(waited, version));
  }

  /**
   * What a write builds upon, and what it covers. Where the record is damaged, a write that names no context
   * covers the versions that the store still knows of it, and so heals the key. One with a context has to cover them itself:
   * a later version of this node stands for all its earlier ones, also for one that the writer has not seen.
   * @throws the store's error when the record is damaged and the context does not cover what was in it
   */
  #newest(
    key: string,
    seen: ClientContext | undefined,
  ): { readonly previous: KeyRecord | undefined; readonly covered: ClientContext | undefined } {
    const newest = this.#merging.latest(key);
    const { record: previous } = newest;
    const covered = seen === undefined ? undefined : knownPart(seen, previous, this.#isKnown);
    if (newest.lost === undefined) return { previous, covered };
    if (covered !== undefined) {
      if (!coversAll(covered, newest.lost)) throw newest.error;
      return { previous, covered };
    }
    const vector = new Map<NodeId, HlcTime>();
    for (const { node, time } of newest.lost) vector.set(node, Math.max(time, vector.get(node) ?? 0));
    return { previous, covered: { vector, dot: undefined } };
  }
}

/** Whether a context covers versions of which some are known: of none nobody can say. */
function coversAll(seen: ClientContext, versions: readonly Version[]): boolean {
  return versions.length > 0 && versions.every((version) => clientContextCovers(seen, version));
}
