/**
 * Hybrid logical clock in one safe integer (Kulkarni et al., "Logical Physical Clocks", 2014, section 3.2;
 * the packing is ours): 42 bits of milliseconds and 11 bits of counter, so times compare with `<` and sort as
 * plain numbers until the year 2109.
 */

/** `physicalMs * 2048 + counter`, a safe integer. 0 is before every time a clock issues. */
export type HlcTime = number;

export const HLC_TICKS_PER_MS = 2048;
export const HLC_TIME_MAX: HlcTime = Number.MAX_SAFE_INTEGER;

/** @param ms whole milliseconds since the epoch */
export function hlcFromMs(ms: number): HlcTime {
  return ms * HLC_TICKS_PER_MS;
}

/** The physical part of a time, in whole milliseconds since the epoch. */
export function hlcToMs(time: HlcTime): number {
  return Math.floor(time / HLC_TICKS_PER_MS);
}

export function isHlcTime(value: unknown): value is HlcTime {
  return typeof value === "number" && Number.isSafeInteger(value) && value >= 0;
}

export interface ClockDrift {
  readonly code: "clock_drift";
  /** How far the refused time lies ahead of this node's wall clock, in milliseconds. */
  readonly aheadMs: number;
  readonly maxDriftMs: number;
}

export interface ClockOptions {
  /** The durable bound read back from the store: no earlier run issued a time above it. 0 for a new node. */
  readonly durableBound: HlcTime;
  /** A remote time further than this ahead of the wall clock is refused. */
  readonly maxDriftMs: number;
}

/**
 * The bound is reserved this share of the drift limit ahead of the wall clock, not of the last time: a restart
 * continues from the bound, and must not thereby look to its peers like a clock that runs ahead. A clock that
 * already runs further ahead than that reserves nothing and moves its bound with every time.
 */
const RESERVED_SHARE_OF_DRIFT = 0.2;

/**
 * Invariants: times issued are strictly increasing, also across restarts; a refused observation changes
 * nothing; a time above {@link HybridLogicalClock.bound} must not leave the node before that bound is durable.
 */
export class HybridLogicalClock {
  readonly #maxDriftMs: number;
  readonly #block: number;
  #last: HlcTime;
  #bound: HlcTime;

  constructor(options: ClockOptions) {
    this.#maxDriftMs = options.maxDriftMs;
    this.#block = Math.ceil(hlcFromMs(options.maxDriftMs) * RESERVED_SHARE_OF_DRIFT);
    this.#last = options.durableBound;
    this.#bound = options.durableBound;
  }

  /** The greatest time issued or observed. */
  get last(): HlcTime {
    return this.#last;
  }

  /** The upper bound that has to be durable before {@link last} is shown to anyone. */
  get bound(): HlcTime {
    return this.#bound;
  }

  /**
   * Issues a time greater than every one issued or observed before. Counter overflow runs into the next millisecond.
   * @param nowMs whole milliseconds since the epoch
   */
  tick(nowMs: number): HlcTime {
    const time = Math.max(this.#last + 1, hlcFromMs(nowMs));
    this.#advance(time, nowMs);
    return time;
  }

  /** Takes a remote time into account, or refuses it and changes nothing. */
  observe(remote: HlcTime, nowMs: number): ClockDrift | undefined {
    const aheadMs = hlcToMs(remote) - nowMs;
    if (aheadMs > this.#maxDriftMs) return { code: "clock_drift", aheadMs, maxDriftMs: this.#maxDriftMs };
    if (remote > this.#last) this.#advance(remote, nowMs);
    return undefined;
  }

  /** Takes into account a time that is in what this node holds, and so was accepted before, however far ahead it is. */
  follow(held: HlcTime, nowMs: number): void {
    if (held > this.#last) this.#advance(held, nowMs);
  }

  #advance(time: HlcTime, nowMs: number): void {
    this.#last = time;
    if (time > this.#bound) this.#bound = Math.max(time, hlcFromMs(nowMs) + this.#block);
  }
}
