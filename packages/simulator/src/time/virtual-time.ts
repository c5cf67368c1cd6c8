/**
 * Time that passes only when it is let pass.
 *
 * Invariant: timers fire in the order of their times, and of their making where the times are equal; before the next
 * one fires, all that the last one made possible has happened. So a run depends on nothing but its inputs.
 */
import type { Timers } from "@hearsay/node";
import { EarliestFirst, type Timed } from "./earliest-first.ts";

interface Armed extends Timed {
  /** Undefined once it has fired or was taken back. */
  callback: (() => void) | undefined;
}

export class VirtualTime implements Timers {
  readonly #turn: () => Promise<void>;
  readonly #armed: EarliestFirst<Armed> = new EarliestFirst();
  #nowMs = 0;
  #order = 0;
  #fired = 0;

  /** @param turn settles when every promise that can settle without a timer has done so */
  constructor(turn: () => Promise<void>) {
    this.#turn = turn;
  }

  monotonicMs(): number {
    return this.#nowMs;
  }

  /** Timers that have fired so far: a measure of the work done, the same in each run of a seed. */
  get fired(): number {
    return this.#fired;
  }

  after(ms: number, callback: () => void): () => void {
    this.#order += 1;
    const armed: Armed = { atMs: this.#nowMs + Math.max(0, ms), order: this.#order, callback };
    this.#armed.add(armed);
    return () => {
      armed.callback = undefined;
    };
  }

  /** Settles when so much time has passed. */
  sleep(ms: number): Promise<void> {
    return new Promise((resolve) => {
      this.after(ms, resolve);
    });
  }

  /** Lets time pass. */
  async advance(ms: number): Promise<void> {
    const endMs = this.#nowMs + ms;
    await this.#turn();
    for (let next = this.#armed.first; next !== undefined && next.atMs <= endMs; next = this.#armed.first) {
      this.#armed.removeFirst();
      const { callback } = next;
      if (callback === undefined) continue;
      next.callback = undefined;
      this.#nowMs = next.atMs;
      this.#fired += 1;
      callback();
      await this.#turn();
    }
    this.#nowMs = endMs;
  }

  /**
   * Lets time pass until something holds.
   * @throws Error when it does not within `limitMs`
   */
  async until(what: string, holds: () => boolean | Promise<boolean>, limitMs: number): Promise<void> {
    const endMs = this.#nowMs + limitMs;
    await this.#turn();
    while (!(await holds())) {
      if (this.#nowMs >= endMs) throw new Error(`not within ${limitMs} ms: ${what}`);
      await this.advance(50);
    }
  }
}
