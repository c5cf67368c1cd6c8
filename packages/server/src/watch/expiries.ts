/**
 * Values end without a commit, and where the clock is set back those that had ended are there again. Watchers hear of both
 * by looks at the values that end between what the clock showed at the last look and what it shows now.
 */
import { hlcFromMs, isLive, winner } from "@hearsay/core";
import type { Clock } from "@hearsay/node";
import type { ServedStore } from "../services.ts";
import { storedState, WatchedChange } from "./changes.ts";

const NEVER_MS = Number.POSITIVE_INFINITY;

export class Expiries {
  readonly #store: ServedStore;
  readonly #clock: Clock;
  readonly #tell: (change: WatchedChange) => void;
  #sweptMs: number;
  /** What the clock has shown since the last look, and at it: by any of it somebody may have been told what is there. */
  #earliestMs: number;
  #latestMs: number;
  /** Since then values have ended of which nobody was told, as nobody watched. */
  #missedMs: number = NEVER_MS;
  #isSweeping = false;

  constructor(store: ServedStore, clock: Clock, tell: (change: WatchedChange) => void) {
    this.#store = store;
    this.#clock = clock;
    this.#tell = tell;
    this.#sweptMs = clock.nowMs();
    this.#earliestMs = this.#sweptMs;
    this.#latestMs = this.#sweptMs;
  }

  /** By which watchers are told what is there. */
  nowMs(): number {
    const nowMs = this.#clock.nowMs();
    this.#earliestMs = Math.min(this.#earliestMs, nowMs);
    this.#latestMs = Math.max(this.#latestMs, nowMs);
    return nowMs;
  }

  /** Values that expired up to then have been told. */
  get throughMs(): number {
    return Math.min(this.#sweptMs, this.nowMs(), this.#earliestMs);
  }

  /** Nobody has watched, so that there is nobody to tell. */
  skip(): void {
    if (this.#isSweeping) return;
    this.#missedMs = Math.min(this.#missedMs, this.#earliestMs);
    this.#sweptMs = this.#begin();
  }

  /** Tells of what was skipped, for those who wait for what is newer than something from before. */
  async makeUp(): Promise<void> {
    const fromMs = this.#missedMs;
    if (fromMs === NEVER_MS) return;
    this.#missedMs = NEVER_MS;
    try {
      await this.#tellTurned(fromMs, this.nowMs());
    } catch (error) {
      this.#missedMs = fromMs;
      throw error;
    }
  }

  /** Tells of the values whose time was over since the last look. A value that was replaced meanwhile was told of then. */
  async sweep(): Promise<void> {
    if (this.#isSweeping) return;
    this.#isSweeping = true;
    const [earliestMs, latestMs] = [this.#earliestMs, this.#latestMs];
    const toMs = this.#begin();
    const fromMs = Math.min(earliestMs, toMs);
    this.#sweptMs = fromMs;
    try {
      await this.#tellTurned(Math.max(latestMs, toMs), toMs);
      await this.#tellTurned(fromMs, toMs);
      // Only now, so that no cursor claims what is not told yet.
      this.#sweptMs = toMs;
    } catch (error) {
      this.#earliestMs = Math.min(this.#earliestMs, earliestMs);
      this.#latestMs = Math.max(this.#latestMs, latestMs);
      throw error;
    } finally {
      this.#isSweeping = false;
    }
  }

  #begin(): number {
    this.#earliestMs = this.#clock.nowMs();
    this.#latestMs = this.#earliestMs;
    return this.#earliestMs;
  }

  async #tellTurned(fromMs: number, toMs: number): Promise<void> {
    if (fromMs === toMs) return;
    for await (const change of this.between("", fromMs, toMs)) this.#tell(change);
  }

  /**
   * The keys under the prefix whose value expired after the first moment and up to the second; where the second is earlier,
   * those whose value had expired at the first and has not at the second.
   */
  async *between(prefix: string, fromMs: number, toMs: number): AsyncGenerator<WatchedChange> {
    const [after, through] = [hlcFromMs(Math.min(fromMs, toMs)), hlcFromMs(Math.max(fromMs, toMs))];
    for await (const graves of this.#store.gravesBetween(after, through)) {
      for (const { key } of graves) {
        const record = key.startsWith(prefix) ? storedState(this.#store, key) : "none";
        if (record === "none" || record === "damaged") continue;
        const value = winner(record);
        if (value.kind !== "value" || isLive(value, toMs) !== toMs < fromMs) continue;
        yield WatchedChange.of(key, record, toMs);
      }
    }
  }
}
