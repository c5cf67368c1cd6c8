/**
 * When to exchange, and with whom: one random live peer an interval, favouring those not met for longest, with
 * jitter so that nodes do not fall into step, and within a budget of bytes a second.
 */
import type { RandomSource } from "../random.ts";

export interface AntiEntropyConfig {
  /** Mean time between two exchanges this node starts. Reason for the default: repair within seconds, idle cost of one small message. */
  readonly intervalMs: number;
  /** Share of the interval by which each pause varies to either side, 0 to 1. */
  readonly jitter: number;
  /**
   * Record and digest bytes a second that exchanges may cost this node on average; 0 for no bound. Exchanges that
   * peers start are never refused, but count, so that this node starts its next one later.
   */
  readonly maxBytesPerSecond: number;
  /** Hours of the day, UTC, in which no exchange is started; fresh writes still spread as rumors. Empty for none. */
  readonly quietHours: readonly number[];
}

export const ANTI_ENTROPY_DEFAULTS: AntiEntropyConfig = {
  intervalMs: 1000,
  jitter: 0.25,
  maxBytesPerSecond: 0,
  quietHours: [],
};

const HOUR_MS = 3_600_000;

/** So many exchanges in a row that found both sides equal, and this one as it was, say that nothing is going on. */
const CALM_AFTER = 6;

/** While nothing is going on, pauses are longer by this factor: half the idle cost for a repair that starts a second later. */
export const CALM_FACTOR = 2;

/** After each failure that lies with this node pauses double, up to this factor: long enough to leave a full disk alone. */
const BACKOFF_MAX_FACTOR = 16;

/** What an exchange found: whether both sides were equal, and this node's root after it. */
export interface Finding {
  readonly equal: boolean;
  readonly root: string;
}

export class ExchangeSchedule {
  readonly #config: AntiEntropyConfig;
  readonly #random: RandomSource;
  readonly #metAtMs: Map<string, number> = new Map();
  #root: string | undefined;
  #equalInARow = 0;
  #backoff = 1;
  #debtBytes = 0;
  #debtAsOfMs = 0;

  constructor(config: AntiEntropyConfig, random: RandomSource) {
    this.#config = config;
    this.#random = random;
  }

  /** Whether the latest exchanges all found equal sides, and none a change here. */
  get isCalm(): boolean {
    return this.#equalInARow >= CALM_AFTER;
  }

  /** Something changed that an exchange may have to do with. */
  disturbed(): void {
    this.#equalInARow = 0;
  }

  /** An exchange broke off for a reason that lies with this node, so that the next one would too. */
  failed(): void {
    this.#backoff = Math.min(2 * this.#backoff, BACKOFF_MAX_FACTOR);
  }

  /** Pause before the next exchange, in milliseconds; longer in calm, after failures here, and while the budget is overdrawn. */
  pauseMs(nowMs: number): number {
    const { intervalMs, jitter, maxBytesPerSecond } = this.#config;
    const mean = intervalMs * Math.max(this.#backoff, this.isCalm ? CALM_FACTOR : 1);
    const pause = mean * (1 + jitter * (2 * this.#random.next() - 1));
    if (maxBytesPerSecond === 0) return pause;
    this.#settle(nowMs);
    return Math.max(pause, (this.#debtBytes / maxBytesPerSecond) * 1000);
  }

  /** Whether the hour of this wall-clock time is a quiet one. */
  isQuiet(wallClockMs: number): boolean {
    return this.#config.quietHours.includes(Math.floor(wallClockMs / HOUR_MS) % 24);
  }

  /**
   * Two random candidates, and of them the one not met for longest: every peer is met soon, none at a
   * predictable moment, and no list has to be kept in order. Of n candidates, one not met for longest is chosen
   * with probability 2/n, so that few wait for more than n/2 * (ln n + 14) choices (one in a million).
   */
  choose<Candidate extends { readonly id: string }>(live: readonly Candidate[]): Candidate | undefined {
    const a = live[Math.floor(this.#random.next() * live.length)];
    const b = live[Math.floor(this.#random.next() * live.length)];
    if (a === undefined || b === undefined) return undefined;
    return this.#lastMet(b.id) < this.#lastMet(a.id) ? b : a;
  }

  /** An exchange with the peer ended, whichever side began it. */
  met(peer: string, nowMs: number, bytes: number, { equal, root }: Finding): void {
    this.#metAtMs.set(peer, nowMs);
    this.#backoff = 1;
    this.#equalInARow = equal && root === this.#root ? this.#equalInARow + 1 : 0;
    this.#root = root;
    if (this.#config.maxBytesPerSecond === 0) return;
    this.#settle(nowMs);
    this.#debtBytes += bytes;
  }

  /** Forgets peers that are no longer members. */
  retain(members: ReadonlySet<string>): void {
    for (const peer of this.#metAtMs.keys()) if (!members.has(peer)) this.#metAtMs.delete(peer);
  }

  /** When an exchange with the peer last ended; undefined for never since the start. */
  lastMetMs(peer: string): number | undefined {
    return this.#metAtMs.get(peer);
  }

  #lastMet(peer: string): number {
    return this.#metAtMs.get(peer) ?? Number.NEGATIVE_INFINITY;
  }

  #settle(nowMs: number): void {
    const paid = (Math.max(0, nowMs - this.#debtAsOfMs) / 1000) * this.#config.maxBytesPerSecond;
    this.#debtBytes = Math.max(0, this.#debtBytes - paid);
    this.#debtAsOfMs = nowMs;
  }
}
