/** Timers at the pace of a test. */
import type { Timers } from "@hearsay/node";

export class HeldTimers implements Timers {
  #nowMs = 0;
  #armed: { readonly atMs: number; readonly callback: () => void }[] = [];

  monotonicMs(): number {
    return this.#nowMs;
  }

  after(ms: number, callback: () => void): () => void {
    const armed = { atMs: this.#nowMs + ms, callback };
    this.#armed.push(armed);
    return () => {
      this.#armed = this.#armed.filter((other) => other !== armed);
    };
  }

  /** What is under way takes so long: nothing else is called back meanwhile. */
  take(ms: number): void {
    this.#nowMs += ms;
  }

  async pass(ms: number): Promise<void> {
    const endMs = this.#nowMs + ms;
    for (;;) {
      const next = this.#armed.sort((a, b) => a.atMs - b.atMs)[0];
      if (next === undefined || next.atMs > endMs) break;
      this.#armed.shift();
      this.#nowMs = Math.max(this.#nowMs, next.atMs);
      next.callback();
      await rest();
    }
    this.#nowMs = Math.max(this.#nowMs, endMs);
  }
}

/** What waits for nothing but other promises goes on. */
export async function rest(): Promise<void> {
  for (let turn = 0; turn < 50; turn++) await Promise.resolve();
}
