/** Those who wait for a single answer: long polls and blocking queries. They are woken and look for themselves. */
import type { Teller } from "./pace.ts";
import { PrefixMap } from "./prefix-map.ts";

/** Woken in one slice: what they answer is not seen by the clock before the slice's end. */
const WOKEN_AT_ONCE = 32;

export interface Target {
  readonly key: string;
  /** All keys that begin with it, not just that one. */
  readonly isPrefix: boolean;
}

export class Waiter {
  readonly target: Target;
  /** Called once when something has happened, or when the node stops. */
  readonly wake: () => void;
  /** The position in the log of the first change since it waits; undefined: there is none. */
  since: number | undefined;

  constructor(target: Target, wake: () => void) {
    this.target = target;
    this.wake = wake;
  }
}

export class Waiters implements Teller {
  readonly #ofKey: Map<string, Set<Waiter>> = new Map();
  readonly #ofPrefix: PrefixMap<Set<Waiter>> = new PrefixMap();
  readonly #due: Set<Waiter> = new Set();

  add(waiter: Waiter): void {
    const { key, isPrefix } = waiter.target;
    const index = isPrefix ? this.#ofPrefix : this.#ofKey;
    const waiters = index.get(key) ?? new Set();
    waiters.add(waiter);
    index.set(key, waiters);
  }

  remove(waiter: Waiter): void {
    const { key, isPrefix } = waiter.target;
    const index = isPrefix ? this.#ofPrefix : this.#ofKey;
    const waiters = index.get(key);
    waiters?.delete(waiter);
    if (waiters?.size === 0) index.delete(key);
    this.#due.delete(waiter);
  }

  /** @returns whether somebody has waited for it */
  changed(key: string, position: number): boolean {
    const found = this.#ofPrefix.matching(key);
    const exact = this.#ofKey.get(key);
    if (exact !== undefined) found.push(exact);
    for (const waiters of found) {
      for (const waiter of waiters) {
        this.remove(waiter);
        waiter.since = position;
        this.#due.add(waiter);
      }
    }
    return found.length > 0;
  }

  tell(): boolean {
    let left = WOKEN_AT_ONCE;
    for (const waiter of this.#due) {
      if (left-- === 0) return true;
      this.#due.delete(waiter);
      waiter.wake();
    }
    return false;
  }

  end(): void {
    const all = [...this.#ofPrefix.values(), ...this.#ofKey.values(), this.#due];
    for (const waiter of all.flatMap((waiters) => [...waiters])) {
      this.remove(waiter);
      waiter.wake();
    }
  }
}
