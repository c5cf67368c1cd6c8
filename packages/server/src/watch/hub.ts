/**
 * Brings the changes of this node to those who watch. A commit costs a look at the log and at the prefixes that are
 * watched; rendering and sending come later, for all that has happened meanwhile at once, and are paced so that they
 * never take more than a share of the node's time however many watch.
 *
 * Invariant: a reader that has joined at a position of the log is given every change behind it that its prefix covers,
 * in the order of the commits, or is cut off.
 */
import { type HlcTime, hlcFromMs, isLive, type NodeId, winner } from "@hearsay/core";
import type { Clock, Log, Timers } from "@hearsay/node";
import type { Commit } from "@hearsay/store";
import type { ServedStore } from "../services.ts";
import { ChangeLog } from "./change-log.ts";
import { changeOf, storedState, toldVersion, WatchedChange } from "./changes.ts";
import { Delivery, Moment } from "./delivery.ts";
import { Slots } from "./slots.ts";
import type { Standing } from "./standing.ts";
import { type Reader, Topics } from "./topics.ts";

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
  /** Looks at the records under a prefix that run at one time; others wait for their turn. */
  readonly maxScans: number;
}

/** How often expired values are looked for, heartbeats are due, and catching up is noticed. */
export const TICK_MS = 500;
/** After a delivery nothing is delivered for so many times as long as it took. */
const REST_FACTOR = 4;
/** More changes than this are delivered without a rest: a thousand readers of more would hold everything else up. */
const MAX_PENDING = 400;

export class WatchHub {
  readonly log: ChangeLog;
  readonly scans: Slots;
  readonly #ports: HubPorts;
  readonly #limits: HubLimits;
  readonly #topics: Topics = new Topics();
  readonly #offCommit: () => void;
  readonly #counts = { events: 0, refused: 0, cutOff: 0, resets: 0, scans: 0 };
  #watchers = 0;
  #ownThrough: HlcTime;
  /** Values that expired up to then have been told. */
  #sweptMs: number;
  #isSweeping = false;
  #cancelTick: (() => void) | undefined;
  #cancelDelivery: (() => void) | undefined;
  #isClosed = false;

  constructor(ports: HubPorts, limits: HubLimits) {
    this.#ports = ports;
    this.#limits = limits;
    this.scans = new Slots(limits.maxScans);
    this.#ownThrough = ports.knownThrough;
    this.#sweptMs = ports.clock.nowMs();
    this.log = new ChangeLog(limits.logMaxBytes, ports.store.sequence, ports.knownThrough);
    this.#offCommit = ports.store.onCommit((commit) => this.#committed(commit));
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

  get counts(): Readonly<Record<"events" | "refused" | "cutOff" | "resets" | "scans", number>> {
    return this.#counts;
  }

  count(what: keyof WatchHub["counts"], amount: number = 1): void {
    this.#counts[what] += amount;
  }

  nowMs(): number {
    return this.#ports.clock.nowMs();
  }

  get timers(): Timers {
    return this.#ports.timers;
  }

  standing(): Standing {
    return this.#ports.standing(this.#ownThrough);
  }

  /** This node's cursor behind everything that is committed and told. */
  moment(): Moment {
    return new Moment({
      cluster: this.#ports.cluster,
      issuer: this.#ports.self,
      sequence: this.#ports.store.sequence,
      expiredThroughMs: this.#sweptMs,
      claims: this.standing().claims,
    });
  }

  /** The same, once everything is told. */
  settled(): Moment {
    this.#deliver();
    return this.moment();
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
    // While nobody watched, nobody looked for expired values.
    if (this.#watchers === 0 && !this.#isSweeping) this.#sweptMs = Math.max(this.#sweptMs, this.nowMs());
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
    // What is under way was committed before.
    this.#deliver();
    return this.#topics.join(prefix, reader);
  }

  /** Ends all readers, who may go on elsewhere. */
  close(): void {
    if (this.#isClosed) return;
    this.#isClosed = true;
    this.#offCommit();
    this.#cancelTick?.();
    this.#deliver();
    this.#cancelDelivery?.();
    for (const reader of this.#topics.readers()) reader.end();
  }

  #committed({ sequence, changes }: Commit): void {
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
      this.log.append({ key: change.key, sequence, version });
      if (this.#topics.isWatched(change.key)) this.#hold(changeOf(change, version, nowMs));
    }
    if (this.#topics.pending > MAX_PENDING) this.#deliver();
  }

  /** Keeps a change until it is delivered. */
  #hold(change: WatchedChange): void {
    if (!this.#topics.add(change)) return;
    this.#counts.events += 1;
    this.#cancelDelivery ??= this.#ports.timers.after(0, () => this.#deliver());
  }

  #deliver(): void {
    if (this.#topics.pending === 0) return;
    this.#cancelDelivery?.();
    const { timers } = this.#ports;
    const startMs = timers.monotonicMs();
    const moment = this.moment();
    for (const { changes, readers } of this.#topics.take()) {
      const delivery = new Delivery(changes, moment);
      for (const reader of readers) reader.deliver(delivery);
    }
    if (this.#isClosed) return;
    // What was written reaches the sockets in this turn's end, so only the next one knows how long it took.
    this.#cancelDelivery = timers.after(0, () => this.#rest(REST_FACTOR * (timers.monotonicMs() - startMs)));
  }

  /** Whatever is told meanwhile waits. */
  #rest(ms: number): void {
    this.#cancelDelivery = this.#ports.timers.after(ms, () => {
      this.#cancelDelivery = undefined;
      this.#deliver();
    });
  }

  #tick(): void {
    this.#cancelTick = undefined;
    if (this.#watchers === 0 || this.#isClosed) return;
    this.#cancelTick = this.#ports.timers.after(TICK_MS, () => this.#tick());
    this.#sweep().catch((error: unknown) => {
      this.#ports.log.warn("expiries_not_told", { error: String(error) });
    });
    let moment: Moment | undefined;
    const now = (): Moment => {
      moment ??= this.settled();
      return moment;
    };
    const { isCaughtUp } = this.standing();
    for (const reader of this.#topics.readers()) reader.tick(now, isCaughtUp);
  }

  /** Tells of the values whose time was over since the last look. A value that was replaced meanwhile was told of then. */
  async #sweep(): Promise<void> {
    if (this.#isSweeping) return;
    this.#isSweeping = true;
    try {
      const fromMs = this.#sweptMs;
      const toMs = this.nowMs();
      for await (const change of this.expired("", fromMs, toMs)) {
        const { key, version } = change;
        this.log.append({ key, sequence: this.store.sequence, version });
        this.#hold(change);
      }
      // Only now, so that no cursor claims what is not told yet.
      this.#sweptMs = Math.max(fromMs, toMs);
    } finally {
      this.#isSweeping = false;
    }
  }

  /** The keys under the prefix whose value expired after the first moment and up to the second. */
  async *expired(prefix: string, fromMs: number, toMs: number): AsyncGenerator<WatchedChange> {
    for await (const graves of this.store.gravesBetween(hlcFromMs(fromMs), hlcFromMs(toMs))) {
      for (const { key } of graves) {
        const record = key.startsWith(prefix) ? storedState(this.store, key) : "none";
        if (record === "none" || record === "damaged") continue;
        const value = winner(record);
        if (value.kind === "value" && !isLive(value, toMs)) yield WatchedChange.of(key, record, toMs);
      }
    }
  }
}
