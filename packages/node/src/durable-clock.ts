/**
 * The node's clock over restarts: a bound above every time it has issued is stored ahead, in the batch of the write that
 * needs it.
 */
import { decodeUtf8, encodeUtf8, type HlcTime, HybridLogicalClock, isHlcTime } from "@hearsay/core";
import { IdentityError } from "./identity.ts";
import type { Clock, MetaStore } from "./ports.ts";

const CLOCK_META = "clock";

export interface ClockConfig {
  readonly maxDriftMs: number;
  /** The store may lack the bound, and the node's id is a new one, under which no time was ever issued. */
  readonly doubt: boolean;
}

/** A foreign time lies too far ahead of this node's clock. */
export interface ClockFault {
  readonly code: "clock_drift";
  readonly aheadMs: number;
  readonly maxDriftMs: number;
}

export class DurableClock {
  readonly #meta: MetaStore;
  readonly #wall: Clock;
  readonly #clock: HybridLogicalClock;
  #persistedBound: HlcTime;
  /** Settles when the newest bound is durable. */
  #boundStored: Promise<void> = Promise.resolve();
  #oldestFailed: HlcTime | undefined;

  /** @throws IdentityError `clock_unreadable`: starting from 0 could issue a version twice */
  constructor(meta: MetaStore, wall: Clock, config: ClockConfig) {
    const durableBound = readBound(meta, config.doubt);
    this.#meta = meta;
    this.#wall = wall;
    this.#clock = new HybridLogicalClock({ durableBound, maxDriftMs: config.maxDriftMs });
    this.#persistedBound = durableBound;
  }

  /** The greatest time issued or observed. */
  get last(): HlcTime {
    return this.#clock.last;
  }

  /** A time greater than every one before; not to be shown to anyone before what {@link persist} puts is durable. */
  tick(nowMs: number): HlcTime {
    return this.#clock.tick(nowMs);
  }

  /** Takes a foreign time into account, or refuses it and changes nothing. */
  observe(time: HlcTime): ClockFault | undefined {
    return this.#clock.observe(time, this.#wall.nowMs());
  }

  /** Takes into account a time that is in what this node holds. */
  follow(held: HlcTime): void {
    this.#clock.follow(held, this.#wall.nowMs());
  }

  /** Of the writes of batches that failed, the oldest, until the store has told what became of them. */
  get oldestFailed(): HlcTime | undefined {
    return this.#oldestFailed;
  }

  /**
   * A batch has failed and may be on disk nonetheless. The next bound is put whether it is needed or not, so that whoever waits
   * for it waits until the store knows.
   * @param oldest of the writes in it
   */
  batchFailed(oldest: HlcTime): void {
    this.#persistedBound = 0;
    this.#oldestFailed = Math.min(oldest, this.#oldestFailed ?? oldest);
  }

  /** A fresh time, durable before it is returned: no later run issues it again. */
  async durableTick(): Promise<HlcTime> {
    const time = this.#clock.tick(this.#wall.nowMs());
    this.persist();
    await this.stored();
    return time;
  }

  /** Settles when the newest bound that was put is durable; rejects with the store's error. */
  async stored(): Promise<void> {
    await this.#boundStored;
  }

  /** Joins the batch of the write that needs it, so that the bound is durable before the version is shown. */
  persist(): void {
    if (this.#clock.bound > this.#persistedBound) this.store();
  }

  /** Puts the bound as it is, in the place of one that cannot be read. */
  store(): void {
    const persisted = this.#persistedBound;
    this.#persistedBound = this.#clock.bound;
    this.#boundStored = this.#meta.put(CLOCK_META, encodeUtf8(String(this.#persistedBound)));
    this.#boundStored.then(
      () => {
        this.#oldestFailed = undefined;
      },
      () => {
        // Whoever needs the bound fails with the same batch; the next one has to carry it again.
        this.#persistedBound = persisted;
      },
    );
  }
}

function readBound(meta: MetaStore, doubt: boolean): HlcTime {
  const stored = meta.get(CLOCK_META);
  if (stored === undefined) return 0;
  const text = decodeUtf8(stored) ?? "";
  const bound = /^\d+$/.test(text) ? Number(text) : undefined;
  if (isHlcTime(bound)) return bound;
  if (doubt) return 0;
  throw new IdentityError({ code: "clock_unreadable" });
}
