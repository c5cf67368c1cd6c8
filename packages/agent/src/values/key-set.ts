/** Keys with values and versions. An older version never takes the place of a newer one, a deleted one's included. */

/** Deleted keys whose versions are remembered; of more, the ones deleted first are forgotten. */
const TOMBSTONES_MAX = 10_000;

export class KeySet {
  readonly values: Map<string, Uint8Array>;
  readonly #versions: Map<string, string>;
  readonly #deleted: Map<string, string>;
  #bytes: number;

  constructor(from?: KeySet) {
    this.values = new Map(from?.values);
    this.#versions = from === undefined ? new Map() : new Map(from.#versions);
    this.#deleted = from === undefined ? new Map() : new Map(from.#deleted);
    this.#bytes = from?.bytes ?? 0;
  }

  /** Of values that have no known versions: any version takes their place. */
  static of(values: ReadonlyMap<string, Uint8Array>): KeySet {
    const set = new KeySet();
    for (const [key, value] of values) set.put(key, "", value);
    return set;
  }

  /** Of keys and values together. */
  get bytes(): number {
    return this.#bytes;
  }

  /** How many bytes a put would add. */
  gain(key: string, value: Uint8Array): number {
    const before = this.values.get(key);
    return before === undefined ? key.length + value.length : value.length - before.length;
  }

  /** Returns whether the key's value changed. */
  put(key: string, version: string, value: Uint8Array): boolean {
    if (this.#isOlder(key, version)) return false;
    const before = this.values.get(key);
    this.#bytes += this.gain(key, value);
    this.values.set(key, value);
    this.#versions.set(key, version);
    this.#deleted.delete(key);
    return before === undefined || !equalBytes(before, value);
  }

  /** Returns whether the key had a value. */
  delete(key: string, version: string): boolean {
    if (this.#isOlder(key, version)) return false;
    const before = this.values.get(key);
    this.values.delete(key);
    this.#versions.delete(key);
    this.#deleted.set(key, version);
    if (this.#deleted.size > TOMBSTONES_MAX) {
      for (const [first] of this.#deleted) {
        this.#deleted.delete(first);
        break;
      }
    }
    if (before === undefined) return false;
    this.#bytes -= key.length + before.length;
    return true;
  }

  hasSameValues(other: KeySet): boolean {
    if (this.values.size !== other.values.size) return false;
    for (const [key, value] of this.values) {
      const theirs = other.values.get(key);
      if (theirs === undefined || !equalBytes(value, theirs)) return false;
    }
    return true;
  }

  #isOlder(key: string, version: string): boolean {
    const held = this.#versions.get(key) ?? this.#deleted.get(key);
    return held !== undefined && version < held;
  }
}

function equalBytes(a: Uint8Array, b: Uint8Array): boolean {
  return Buffer.compare(a, b) === 0;
}
