/** Values by prefix. To find those of a key costs as many looks as the prefixes have lengths, however many there are. */
export class PrefixMap<T> {
  readonly #values: Map<string, T> = new Map();
  /** How many prefixes there are of each length. */
  readonly #lengths: Map<number, number> = new Map();

  get(prefix: string): T | undefined {
    return this.#values.get(prefix);
  }

  set(prefix: string, value: T): void {
    if (!this.#values.has(prefix)) {
      this.#lengths.set(prefix.length, (this.#lengths.get(prefix.length) ?? 0) + 1);
    }
    this.#values.set(prefix, value);
  }

  delete(prefix: string): void {
    if (!this.#values.delete(prefix)) return;
    const left = (this.#lengths.get(prefix.length) ?? 1) - 1;
    if (left === 0) this.#lengths.delete(prefix.length);
    else this.#lengths.set(prefix.length, left);
  }

  values(): T[] {
    return [...this.#values.values()];
  }

  /** Of every prefix that the key has. */
  matching(key: string): T[] {
    const found: T[] = [];
    for (const length of this.#lengths.keys()) {
      if (length > key.length) continue;
      const value = this.#values.get(length === key.length ? key : key.slice(0, length));
      if (value !== undefined) found.push(value);
    }
    return found;
  }
}
