/**
 * When to exchange, and with whom: one random live peer an interval, favouring those not met for longest, with
 * jitter so that nodes do not fall into step, and within a budget of bytes a second.
 */
import { type RandomSource, sampled } from "../random.ts";

export interface AntiEntropyConfig {
  /** Mean time between two exchanges this node starts. Reason for the default: repair within seconds, idle cost of one small message. */
  readonly intervalMs: number;
  /** Share of the interval by which each pause varies to either side, 0 to 1. */
  readonly jitter: number;
  /**
   * Bytes of records a second that exchanges may cost this node on average; 0 for no bound. Those that peers start are never
   * refused, and do not count.
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

/** Of so many random peers the one not met for longest is chosen: in turn where there are no more, spread out where there are. */
const CANDIDATES = 4;

/** So many exchanges in a row that found both sides equal, and this one as it was, say that nothing is going on. */
const CALM_AFTER = 6;

/** While nothing is going on, pauses are longer by this factor: half the idle cost for a repair that starts a second later. */
export const CALM_FACTOR = 2;

/** After each failure that lies with this node pauses double, up to this factor: long enough to leave a full disk alone. */
const BACKOFF_MAX_FACTOR = 16;

/** Timers of a platform take no more than 2^31 ms; after so long it is looked again. */
const PAUSE_MAX_MS = HOUR_MS;

/** What an exchange found: whether both sides were equal, and this node's root after it. */
export interface Finding {
  readonly equal: boolean;
  readonly root: string;
}

export class ExchangeSchedule {
  readonly #config: AntiEntropyConfig;
  readonly #random: RandomSource;
  /** In which turn each peer was last chosen, or asked for an exchange itself. */
  readonly #turns: Map<string, number> = new Map();
  #turn = 0;
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
    return Math.max(pause, Math.min((this.#debtBytes / maxBytesPerSecond) * 1000, PAUSE_MAX_MS));
  }

  /** Whether more is owed than a second pays for, so that the longest pause was not enough. */
  isInDebt(nowMs: number): boolean {
    const { maxBytesPerSecond } = this.#config;
    if (maxBytesPerSecond === 0) return false;
    this.#settle(nowMs);
    return this.#debtBytes > maxBytesPerSecond;
  }

  /** Whether the hour of this wall-clock time is a quiet one. */
  isQuiet(wallClockMs: number): boolean {
    return this.#config.quietHours.includes(Math.floor(wallClockMs / HOUR_MS) % 24);
  }

  /**
   * Of a few random candidates the one whose turn is longest ago, never counting as longest. With no more peers than
   * candidates each has its turn in turn. With n more than that, one not met for longest is chosen with probability
   * 4/n, so that few wait for more than n/4 * (ln n + 14) choices (one in a million), and one that comes anew is not
   * chosen by all at once.
   */
  choose<Candidate extends { readonly id: string }>(live: readonly Candidate[]): Candidate | undefined {
    let chosen: Candidate | undefined;
    for (const candidate of sampled(this.#random, live, CANDIDATES)) {
      if (chosen === undefined || this.#lastTurn(candidate.id) < this.#lastTurn(chosen.id))
        chosen = candidate;
    }
    // It counts also when the exchange fails: such a peer must not keep the others waiting.
    if (chosen !== undefined) this.asked(chosen.id);
    return chosen;
  }

  /** The peer has had its turn: an exchange with it begins, or one that it began has ended. */
  asked(peer: string): void {
    this.#turn += 1;
    this.#turns.set(peer, this.#turn);
  }

  /** An exchange that this node began has ended well. */
  met({ equal, root }: Finding): void {
    this.#backoff = 1;
    this.#equalInARow = equal && root === this.#root ? this.#equalInARow + 1 : 0;
    this.#root = root;
  }

  /** An exchange that this node began has cost so much, however it has ended. */
  spent(nowMs: number, bytes: number): void {
    if (this.#config.maxBytesPerSecond === 0) return;
    this.#settle(nowMs);
    this.#debtBytes += bytes;
  }

  /** Forgets peers that are no longer members. */
  retain(members: ReadonlySet<string>): void {
    for (const peer of this.#turns.keys()) if (!members.has(peer)) this.#turns.delete(peer);
  }

  #lastTurn(peer: string): number {
    return this.#turns.get(peer) ?? 0;
  }

  #settle(nowMs: number): void {
    const paid = (Math.max(0, nowMs - this.#debtAsOfMs) / 1000) * this.#config.maxBytesPerSecond;
    this.#debtBytes = Math.max(0, this.#debtBytes - paid);
    this.#debtAsOfMs = nowMs;
  }
}
