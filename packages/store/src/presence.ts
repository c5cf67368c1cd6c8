/**
 * Which keys may have a record: a Bloom filter (Bloom, "Space/Time Trade-offs in Hash Coding with Allowable Errors",
 * 1970) of 256 bits for each bucket, four of them for each key.
 *
 * Invariant: a key that has a record, an index entry or something in quarantine is in it; so "no" is certain, and
 * such a key need not be looked up. Keys are never taken out, and bits of a put that failed stay. Bound: 2 MiB, however
 * many keys there are, and less while they are few; "maybe" for an absent key is 0.3% likely with 1,000,000 of them, and 68% with 10,000,000.
 */
import { BUCKET_COUNT, type KeyPlace } from "@hearsay/core";

const BUCKET_BYTES = 32;
const PAGE_BUCKETS = 64;
const PAGE_BYTES = PAGE_BUCKETS * BUCKET_BYTES;

export const PRESENCE_BYTES: number = BUCKET_COUNT * BUCKET_BYTES;

export class Presence {
  /** What no key has touched is not there. */
  readonly #pages: (Uint8Array | undefined)[] = new Array(BUCKET_COUNT / PAGE_BUCKETS).fill(undefined);

  /** @param bytes of which {@link PRESENCE_BYTES} were written by {@link writeTo} */
  static from(bytes: Uint8Array): Presence {
    const presence = new Presence();
    for (const page of presence.#pages.keys()) {
      const bits = bytes.subarray(page * PAGE_BYTES, (page + 1) * PAGE_BYTES);
      if (bits.some((byte) => byte !== 0)) presence.#pages[page] = bits.slice();
    }
    return presence;
  }

  add({ bucket, mark }: KeyPlace): void {
    const page = Math.floor(bucket / PAGE_BUCKETS);
    const bits = this.#pages[page] ?? new Uint8Array(PAGE_BYTES);
    this.#pages[page] = bits;
    const start = (bucket % PAGE_BUCKETS) * BUCKET_BYTES;
    for (let shift = 0; shift < 32; shift += 8) {
      const bit = (mark >>> shift) & 0xff;
      const at = start + (bit >>> 3);
      bits[at] = (bits[at] ?? 0) | (1 << (bit & 7));
    }
  }

  mayHold({ bucket, mark }: KeyPlace): boolean {
    const bits = this.#pages[Math.floor(bucket / PAGE_BUCKETS)];
    if (bits === undefined) return false;
    const start = (bucket % PAGE_BUCKETS) * BUCKET_BYTES;
    for (let shift = 0; shift < 32; shift += 8) {
      const bit = (mark >>> shift) & 0xff;
      if (((bits[start + (bit >>> 3)] ?? 0) & (1 << (bit & 7))) === 0) return false;
    }
    return true;
  }

  /** Writes the filter, {@link PRESENCE_BYTES} of it, over zeros. */
  writeTo(bytes: Uint8Array, start: number): void {
    for (const [page, bits] of this.#pages.entries()) {
      if (bits !== undefined) bytes.set(bits, start + page * PAGE_BYTES);
    }
  }
}
