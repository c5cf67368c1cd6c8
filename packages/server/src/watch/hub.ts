/**
 * Brings the changes of this node to those who watch. A commit costs a look at the log and at the prefixes that are
 * watched; rendering and sending come later, and are paced so that they never take more than a share of the node's time,
 * however many watch and whatever gathers.
 */
import type { HlcTime, NodeId } from "@hearsay/core";
import type { Clock, Log, Timers } from "@hearsay/node";
import type { Commit } from "@hearsay/store";
import type { ServedStore } from "../services.ts";
import { ChangeLog, type LogEntry } from "./change-log.ts";
import { changeOf, toldVersion, type WatchedChange } from "./changes.ts";
import { Moment } from "./delivery.ts";
import { Expiries } from "./expiries.ts";
import { Pace } from "./pace.ts";
import { Slots } from "./slots.ts";
import type { Standing } from "./standing.ts";
import type { Reader } from "./topic.ts";
import { Topics } from "./topics.ts";
import { type Waiter, Waiters } from "./waiters.ts";

export interface HubPorts {
  readonly store: ServedStore;
  readonly clock: Clock;
  readonly timers: Timers;
  readonly log: Log;
  readonly self: NodeId;
  /** Tells clusters apart; 12 hexadecimal digits. */
  readonly cluster: string;
  /** No version that is stored is later, and no later one of this node is earlier. */
  readonly knownThrough: HlcTime;
  /** @param ownThrough every own write up to then is committed */
  standing(ownThrough: HlcTime): Standing;
}

export interface HubLimits {
  readonly maxWatchers: number;
  readonly logMaxBytes: number;
  /** Of changes that wait to be told. */
  readonly maxHeldBytes: number;
  /** Looks at the records under a prefix that run at one time; others wait for their turn. */
  readonly maxScans: number;
}

/** How often expired values are looked for, heartbeats are due, and catching up is noticed. */
export const TICK_MS = 500;
/** A node that stops goes on telling for so long; who has not heard all by then goes on with a cursor elsewhere. */
const LAST_MS = 200;

export class WatchHub {
  readonly log: ChangeLog;
  readonly scans: Slots;
  readonly #ports: HubPorts;
  readonly #limits: HubLimits;
  readonly topics: Topics;
  readonly expiries: Expiries;
  readonly #pace: Pace;
  readonly #waiters: Waiters = new Waiters();
  readonly #counts = { events: 0, refused: 0, cutOff: 0, resets: 0, scans: 0, behind: 0, overruns: 0 };
  #watchers = 0;
  #ownThrough: HlcTime;
  #cancelTick: (() => void) | undefined;
  #isClosed = false;
  #isAbandoned = false;

  constructor(ports: HubPorts, limits: HubLimits) {
    this.#ports = ports;
    this.#limits = limits;
    this.scans = new Slots(limits.maxScans);
    this.#pace = new Pace(ports.timers);
    this.topics = new Topics(this, this.#pace, limits.maxHeldBytes);
    this.#ownThrough = ports.knownThrough;
    this.expiries = new Expiries(ports.store, ports.clock, (change) => {
      const { key, version } = change;
      this.#happened({ key, sequence: this.store.sequence, version }, () => change);
    });
    this.log = new ChangeLog(limits.logMaxBytes, ports.store.sequence, ports.knownThrough);
    // For good: those who are still given their backlog when the node stops are told what comes meanwhile, as their cursors claim it.
    ports.store.onCommit((commit) => this.#committed(commit));
  }

  get store(): HubPorts["store"] {
    return this.#ports.store;
  }

  get self(): NodeId {
    return this.#ports.self;
  }

  get cluster(): string {
    return this.#ports.cluster;
  }

  get watchers(): number {
    return this.#watchers;
  }

  get counts(): Readonly<
    Record<"events" | "refused" | "cutOff" | "resets" | "scans" | "behind" | "overruns", number>
  > {
    return this.#counts;
  }

  count(what: keyof WatchHub["counts"], amount: number = 1): void {
    this.#counts[what] += amount;
  }

  warn(event: string, error: unknown): void {
    this.#ports.log.warn(event, { error: String(error) });
  }

  nowMs(): number {
    return this.expiries.nowMs();
  }

  /** The node is about to stop: nobody is to wait for what happens next. */
  get isClosed(): boolean {
    return this.#isClosed;
  }

  /** What is stored is in doubt: a look at it may have left something out. */
  get isAbandoned(): boolean {
    return this.#isAbandoned;
  }

  get timers(): Timers {
    return this.#ports.timers;
  }

  standing(): Standing {
    return this.#ports.standing(this.#ownThrough);
  }

  /** This node's cursor behind everything that is committed. */
  moment(): Moment {
    return new Moment({
      cluster: this.#ports.cluster,
      issuer: this.#ports.self,
      sequence: this.#ports.store.sequence,
      expiredThroughMs: this.expiries.throughMs,
      claims: this.standing().claims,
    });
  }

  /**
   * Takes a watcher in.
   * @returns what lets go of it; undefined when there are too many, or when the node stops
   */
  enter(): (() => void) | undefined {
    if (this.#isClosed || this.#watchers >= this.#limits.maxWatchers) {
      this.#counts.refused += 1;
      return undefined;
    }
    if (this.#watchers === 0) this.expiries.skip();
    this.#watchers += 1;
    this.#cancelTick ??= this.#ports.timers.after(TICK_MS, () => this.#tick());
    let isIn = true;
    return () => {
      if (isIn) this.#watchers -= 1;
      isIn = false;
    };
  }

  /** From now on the reader is told of every change under the prefix. The result ends it. */
  join(prefix: string, reader: Reader): () => void {
    return this.topics.join(prefix, reader);
  }

  /** It is woken by the first change from now on. The result ends it. */
  wait(waiter: Waiter): () => void {
    this.#waiters.add(waiter);
    return () => this.#waiters.remove(waiter);
  }

  /** Ends all readers, who may go on elsewhere; those in their backlog end by themselves once they have it. */
  close(): void {
    if (this.#isClosed) return;
    this.#isClosed = true;
    this.#cancelTick?.();
    this.#pace.close(LAST_MS);
    this.#waiters.end();
    for (const { readers } of this.topics.all) for (const reader of [...readers.keys()]) reader.end();
  }

  /** The same, and those in their backlog end without being told that they have all. */
  abandon(): void {
    this.#isAbandoned = true;
    this.close();
  }

  #committed({ sequence, changes }: Commit): void {
    this.#pace.written();
    const nowMs = this.nowMs();
    const { self } = this.#ports;
    for (const change of changes) {
      if (change.after.kind === "record") {
        for (const { node, time } of change.after.summary.versions) {
          if (node === self && time > this.#ownThrough) this.#ownThrough = time;
        }
      }
      const version = toldVersion(change, nowMs);
      if (version === undefined) continue;
      this.#happened({ key: change.key, sequence, version }, () => changeOf(change, version, nowMs));
    }
  }

  /** @param change made only for a key that somebody watches, as it takes the record */
  #happened(entry: LogEntry, change: () => WatchedChange): void {
    const position = this.log.end;
    this.log.append(entry);
    if (this.#waiters.changed(entry.key, position)) this.#pace.add(this.#waiters);
    const topics = this.topics.matching(entry.key);
    if (topics.length > 0) this.topics.hold(topics, change(), position, entry.sequence);
  }

  #tick(): void {
    this.#cancelTick = undefined;
    if (this.#watchers === 0 || this.#isClosed) return;
    this.#cancelTick = this.#ports.timers.after(TICK_MS, () => this.#tick());
    this.expiries.sweep().catch((error: unknown) => this.warn("expiries_not_told", error));
    let moment: Moment | undefined;
    const now = (): Moment => {
      moment ??= this.moment();
      return moment;
    };
    const { isCaughtUp } = this.standing();
    for (const topic of this.topics.all) {
      const { isCurrent, readers } = topic;
      if (isCurrent) topic.pass(now());
      const isWhole = isCaughtUp && topic.wasCaughtUp;
      for (const reader of [...readers.keys()]) reader.tick(isCurrent ? now : undefined, isWhole);
    }
  }
}
