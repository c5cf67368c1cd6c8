import type { KeyPlace, RecordHasher } from "@hearsay/core";

/** A few batches. */
const REMEMBERED_MAX = 4096;

/** Where keys are counted. Remembers those used last: a batch asks when it checks a key, and again when it writes it. */
export class Places {
  readonly #hasher: RecordHasher;
  #known: Map<string, KeyPlace> = new Map();

  constructor(hasher: RecordHasher) {
    this.#hasher = hasher;
  }

  of(key: string): KeyPlace {
    const known = this.#known.get(key);
    if (known !== undefined) return known;
    if (this.#known.size >= REMEMBERED_MAX) this.#known = new Map();
    const place = this.#hasher.place(key);
    this.#known.set(key, place);
    return place;
  }
}
