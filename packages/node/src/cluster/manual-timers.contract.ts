/** Timers that fire when a test says so. */
import type { Timers } from "./ports.ts";

interface Armed {
  readonly atMs: number;
  readonly callback: () => void;
}

export class ManualTimers implements Timers {
  #nowMs = 0;
  readonly #armed: Set<Armed> = new Set();

  monotonicMs(): number {
    return this.#nowMs;
  }

  /** Timers that are set. */
  get armed(): number {
    return this.#armed.size;
  }

  after(ms: number, callback: () => void): () => void {
    const armed = { atMs: this.#nowMs + ms, callback };
    this.#armed.add(armed);
    return () => this.#armed.delete(armed);
  }

  /** Lets time pass; after each timer, what it made possible happens. */
  async advance(ms: number): Promise<void> {
    const endMs = this.#nowMs + ms;
    for (let next = this.#next(endMs); next !== undefined; next = this.#next(endMs)) {
      this.#armed.delete(next);
      this.#nowMs = Math.max(this.#nowMs, next.atMs);
      next.callback();
      await rest();
    }
    this.#nowMs = endMs;
  }

  #next(endMs: number): Armed | undefined {
    let first: Armed | undefined;
    for (const armed of this.#armed) {
      if (armed.atMs <= endMs && (first === undefined || armed.atMs < first.atMs)) first = armed;
    }
    return first;
  }
}

/** Everything that waits for nothing but its turn has had it. */
export async function rest(): Promise<void> {
  for (let turn = 0; turn < 100; turn++) await Promise.resolve();
}
