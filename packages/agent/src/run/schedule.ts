/**
 * When a file is made: debounce, splay and repeats, as a machine with the time and chance handed in.
 *
 * Invariants:
 * 1. It asks for a run only while every prefix is synced. Two exceptions have whole values all the same: the first run,
 *    from last good copies, and the repeat of one that failed.
 * 2. A change is never forgotten: whatever happens, a run begins after it, as long as the prefixes sync again.
 * 3. At most one run at a time.
 * 4. A run begins at most `debounce.maxMs` plus the splay after the first change that it serves.
 */
export interface Timing {
  readonly minMs: number;
  readonly maxMs: number;
  readonly splayMs: number;
  readonly retryBaseMs: number;
  readonly retryCapMs: number;
}

export type ScheduleState = "waiting" | "idle" | "due" | "running" | "failed";

/** `ready`: every prefix is synced. `stale`: every prefix is whole, and at least one only as a last good copy. */
export type ScheduleInput =
  | { readonly kind: "prefixes"; readonly are: "ready" | "stale" | "not_ready" }
  | { readonly kind: "changed" }
  | { readonly kind: "clock" }
  | { readonly kind: "finished"; readonly ok: boolean };

export type ScheduleEffect = "run" | undefined;

export class Schedule {
  readonly #timing: Timing;
  readonly #random: () => number;
  #state: ScheduleState = "waiting";
  #prefixes: "ready" | "stale" | "not_ready" = "not_ready";
  #dueMs: number | undefined;
  #firstChangeMs = 0;
  #splayMs = 0;
  #failures = 0;
  #changedWhileRunning: number | undefined;

  /** @param random uniform in [0, 1) */
  constructor(timing: Timing, random: () => number) {
    this.#timing = timing;
    this.#random = random;
  }

  get state(): ScheduleState {
    return this.#state;
  }

  /** Runs that failed since the last that did not. */
  get failures(): number {
    return this.#failures;
  }

  /** When it wants to be told the time; undefined when it waits for something else. */
  get wakeMs(): number | undefined {
    if (this.#state === "due") return this.#prefixes === "ready" ? this.#dueMs : undefined;
    if (this.#state === "failed") return this.#prefixes === "not_ready" ? undefined : this.#dueMs;
    return undefined;
  }

  step(input: ScheduleInput, nowMs: number): ScheduleEffect {
    switch (input.kind) {
      case "prefixes":
        this.#prefixes = input.are;
        if (this.#state === "waiting" && input.are !== "not_ready") return this.#run();
        return this.#runIfDue(nowMs);
      case "changed":
        this.#changed(nowMs);
        return this.#runIfDue(nowMs);
      case "clock":
        return this.#runIfDue(nowMs);
      case "finished":
        this.#finished(input.ok, nowMs);
        return this.#runIfDue(nowMs);
    }
  }

  #changed(nowMs: number): void {
    if (this.#state === "waiting") return;
    if (this.#state === "running") {
      this.#changedWhileRunning ??= nowMs;
      this.#dueMs = nowMs;
      return;
    }
    if (this.#state !== "due") {
      this.#firstChangeMs = nowMs;
      this.#splayMs = this.#random() * this.#timing.splayMs;
      this.#state = "due";
    }
    this.#setDue(nowMs);
  }

  #setDue(lastChangeMs: number): void {
    const { minMs, maxMs } = this.#timing;
    this.#dueMs = Math.min(lastChangeMs + minMs, this.#firstChangeMs + maxMs) + this.#splayMs;
  }

  #runIfDue(nowMs: number): ScheduleEffect {
    const { wakeMs } = this;
    return wakeMs !== undefined && nowMs >= wakeMs ? this.#run() : undefined;
  }

  #run(): ScheduleEffect {
    this.#state = "running";
    this.#changedWhileRunning = undefined;
    return "run";
  }

  #finished(ok: boolean, nowMs: number): void {
    const firstMs = this.#changedWhileRunning;
    const lastMs = this.#dueMs ?? nowMs;
    this.#failures = ok ? 0 : this.#failures + 1;
    if (firstMs !== undefined) {
      this.#state = "due";
      this.#firstChangeMs = firstMs;
      this.#splayMs = this.#random() * this.#timing.splayMs;
      this.#setDue(lastMs);
    } else if (ok) {
      this.#state = "idle";
    } else {
      this.#state = "failed";
      const { retryBaseMs, retryCapMs } = this.#timing;
      const ceiling = Math.min(retryCapMs, retryBaseMs * 2 ** Math.min(this.#failures - 1, 30));
      this.#dueMs = nowMs + Math.max(this.#random() * ceiling, retryBaseMs / 2);
    }
  }
}
