/** So many deletions are put up with in any case. */
const DELETED_MIN = 4;

/**
 * A map of what comes and goes, such as requests under way. What is deleted from a `Map` makes it move to a new table every
 * now and then, and in V8 to one as old as the one before: those of an old map, and whatever they held, wait for a collection
 * of the whole heap. So this one takes a new map when it has deleted as many entries as it has left: each delete pays for
 * the copy of one entry at most.
 *
 * The order is that of the entries' first setting. While iterating, the entry at hand may be deleted; of what else is set or
 * deleted meanwhile it is not said whether it comes.
 */
export class TransientMap<Key, Value> {
  #entries: Map<Key, Value> = new Map();
  #deleted = 0;

  get size(): number {
    return this.#entries.size;
  }

  get(key: Key): Value | undefined {
    return this.#entries.get(key);
  }

  set(key: Key, value: Value): void {
    this.#entries.set(key, value);
  }

  /** @returns whether there was such an entry */
  delete(key: Key): boolean {
    const { size } = this.#entries;
    if (size === 1) {
      if (!this.#entries.has(key)) return false;
      this.#renew(new Map());
      return true;
    }
    if (!this.#entries.delete(key)) return false;
    this.#deleted += 1;
    if (this.#deleted >= Math.max(size, DELETED_MIN)) this.#renew(new Map(this.#entries));
    return true;
  }

  values(): Iterable<Value> {
    return this.#entries.values();
  }

  #renew(entries: Map<Key, Value>): void {
    this.#entries = entries;
    this.#deleted = 0;
  }
}
