/** Timers that fire when a test says so. Between two timers everything that became possible is let happen. */
import { setImmediate } from "node:timers/promises";
import type { Timers } from "@hearsay/node";

interface Armed {
  readonly atMs: number;
  readonly order: number;
  readonly callback: () => void;
}

/** Turns of the event loop after which a step of a node, commits to the memory store included, has come to rest. */
const TURNS = 6;

export class VirtualTime implements Timers {
  #nowMs = 0;
  #order = 0;
  readonly #armed: Set<Armed> = new Set();

  monotonicMs(): number {
    return this.#nowMs;
  }

  after(ms: number, callback: () => void): () => void {
    this.#order += 1;
    const armed = { atMs: this.#nowMs + Math.max(0, ms), order: this.#order, callback };
    this.#armed.add(armed);
    return () => this.#armed.delete(armed);
  }

  /** Lets time pass. */
  async advance(ms: number): Promise<void> {
    const endMs = this.#nowMs + ms;
    for (let next = this.#next(endMs); next !== undefined; next = this.#next(endMs)) {
      this.#armed.delete(next);
      this.#nowMs = next.atMs;
      next.callback();
      await settle();
    }
    this.#nowMs = endMs;
    await settle();
  }

  /** Lets time pass until something holds. */
  async until(what: string, holds: () => boolean | Promise<boolean>, limitMs: number): Promise<void> {
    const endMs = this.#nowMs + limitMs;
    while (!(await holds())) {
      if (this.#nowMs >= endMs) throw new Error(`not within ${limitMs} ms: ${what}`);
      await this.advance(50);
    }
  }

  #next(endMs: number): Armed | undefined {
    let first: Armed | undefined;
    for (const armed of this.#armed) {
      if (armed.atMs > endMs) continue;
      if (
        first === undefined ||
        armed.atMs < first.atMs ||
        (armed.atMs === first.atMs && armed.order < first.order)
      ) {
        first = armed;
      }
    }
    return first;
  }
}

async function settle(): Promise<void> {
  for (let turn = 0; turn < TURNS; turn++) await setImmediate();
}
