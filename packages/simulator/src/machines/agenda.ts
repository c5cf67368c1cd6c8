/** What is to happen in a virtual world of pure machines, in the order of its time. Nothing in it waits. */
import { EarliestFirst, type Timed } from "../time/earliest-first.ts";

interface Entry extends Timed {
  readonly run: () => void;
}

export class Agenda {
  readonly #entries: EarliestFirst<Entry> = new EarliestFirst();
  #order = 0;
  #nowMs = 0;

  get nowMs(): number {
    return this.#nowMs;
  }

  after(ms: number, run: () => void): void {
    this.at(this.#nowMs + ms, run);
  }

  /** A time that has passed counts as now. */
  at(atMs: number, run: () => void): void {
    this.#order += 1;
    this.#entries.add({ atMs: Math.max(atMs, this.#nowMs), order: this.#order, run });
  }

  /**
   * Lets time pass until the condition holds, or so many milliseconds.
   * @returns the time it took; undefined when the condition did not come to hold
   */
  until(holds: () => boolean, withinMs: number): number | undefined {
    const startMs = this.#nowMs;
    const endMs = startMs + withinMs;
    for (;;) {
      if (holds()) return this.#nowMs - startMs;
      const next = this.#entries.first;
      if (next === undefined || next.atMs > endMs) break;
      this.#entries.removeFirst();
      this.#nowMs = next.atMs;
      next.run();
    }
    if (endMs < Number.POSITIVE_INFINITY) this.#nowMs = endMs;
    return undefined;
  }

  advance(ms: number): void {
    this.until(() => false, ms);
  }

  /** Until nothing is to happen any more. */
  finish(): void {
    this.until(() => false, Number.POSITIVE_INFINITY);
  }
}
