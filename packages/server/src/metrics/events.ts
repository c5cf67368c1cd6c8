/** Counts of what happened, by a fixed name each: faults of the store, drops of the node. */
export class EventCounts {
  readonly #counts: Map<string, number> = new Map();

  count(name: string, amount: number = 1): void {
    this.#counts.set(name, (this.#counts.get(name) ?? 0) + amount);
  }

  of(name: string): number {
    return this.#counts.get(name) ?? 0;
  }

  entries(): Iterable<[string, number]> {
    return this.#counts.entries();
  }
}
