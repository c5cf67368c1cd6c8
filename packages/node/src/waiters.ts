import type { NodeId, Version } from "@hearsay/core";

interface Waiter {
  readonly key: string;
  readonly version: Version;
  readonly onHeld: () => void;
}

/**
 * Who waits until this node holds a version. A version of another node arrives with the key it was written to; an own one
 * is held as soon as it is committed, whichever key the waiter asks for.
 *
 * Bound: at most `maxWaiters` at one time.
 */
export class Waiters {
  readonly #maxWaiters: number;
  readonly #byKey: Map<string, Set<Waiter>> = new Map();
  readonly #own: Set<Waiter> = new Set();
  #count = 0;

  constructor(maxWaiters: number) {
    this.#maxWaiters = maxWaiters;
  }

  get count(): number {
    return this.#count;
  }

  /** @returns what cancels the wait; undefined when there are too many already */
  add(waiter: Waiter, self: NodeId): (() => void) | undefined {
    if (this.#count >= this.#maxWaiters) return undefined;
    this.#count += 1;
    if (waiter.version.node === self) {
      this.#own.add(waiter);
    } else {
      const others = this.#byKey.get(waiter.key);
      if (others === undefined) this.#byKey.set(waiter.key, new Set([waiter]));
      else others.add(waiter);
    }
    return () => this.#remove(waiter);
  }

  /** Calls and removes the waiters whom the commit of this key may have satisfied. */
  committed(key: string, holds: (key: string, version: Version) => boolean): void {
    if (this.#count === 0) return;
    for (const waiters of [this.#byKey.get(key) ?? [], this.#own]) {
      for (const waiter of waiters) {
        if (!holds(waiter.key, waiter.version)) continue;
        this.#remove(waiter);
        waiter.onHeld();
      }
    }
  }

  #remove(waiter: Waiter): void {
    const others = this.#byKey.get(waiter.key);
    if (!this.#own.delete(waiter) && !others?.delete(waiter)) return;
    if (others?.size === 0) this.#byKey.delete(waiter.key);
    this.#count -= 1;
  }
}
