/**
 * Which keys may have a record: a Bloom filter (Bloom, "Space/Time Trade-offs in Hash Coding with Allowable Errors",
 * 1970) of 256 bits for each bucket, four of them for each key.
 *
 * Invariant: a key that has a record, an index entry or something in quarantine is in it; so "no" is certain, and
 * such a key need not be looked up. Keys are never taken out, and bits of a put that failed stay. Bound: 2 MiB, however
 * many keys there are; "maybe" for an absent key is 0.3% likely with 1,000,000 of them, and 68% with 10,000,000.
 */
import { BUCKET_COUNT, type KeyPlace } from "@hearsay/core";

const BUCKET_BYTES = 32;

export const PRESENCE_BYTES: number = BUCKET_COUNT * BUCKET_BYTES;

export class Presence {
  readonly #bits: Uint8Array;

  constructor(bits: Uint8Array = new Uint8Array(PRESENCE_BYTES)) {
    this.#bits = bits;
  }

  add({ bucket, mark }: KeyPlace): void {
    const start = bucket * BUCKET_BYTES;
    for (let shift = 0; shift < 32; shift += 8) {
      const bit = (mark >>> shift) & 0xff;
      const at = start + (bit >>> 3);
      this.#bits[at] = (this.#bits[at] ?? 0) | (1 << (bit & 7));
    }
  }

  mayHold({ bucket, mark }: KeyPlace): boolean {
    const start = bucket * BUCKET_BYTES;
    for (let shift = 0; shift < 32; shift += 8) {
      const bit = (mark >>> shift) & 0xff;
      if (((this.#bits[start + (bit >>> 3)] ?? 0) & (1 << (bit & 7))) === 0) return false;
    }
    return true;
  }

  /** The filter itself, {@link PRESENCE_BYTES} of it. */
  get bytes(): Uint8Array {
    return this.#bits;
  }
}
