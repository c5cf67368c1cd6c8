/**
 * Which keys may have a record: a Bloom filter (Bloom, "Space/Time Trade-offs in Hash Coding with Allowable Errors",
 * 1970) of 256 bits for each bucket, four of them for each key.
 *
 * Invariant: a key that has a record, an index entry or something in quarantine is in it; so "no" is certain, and
 * such a key need not be looked up. Keys are never taken out, and bits of a put that failed stay. Bound: 2 MiB, however
 * many keys there are, and less while they are few; "maybe" for an absent key is 0.3% likely with 1,000,000 of them, and 68% with 10,000,000.
 */
import { BUCKET_PAGES, type KeyPlace, PAGE_BUCKETS } from "@hearsay/core";

const BUCKET_BYTES = 32;
export const PRESENCE_PAGE_BYTES: number = PAGE_BUCKETS * BUCKET_BYTES;

export class Presence {
  /** What no key has touched is not there. */
  readonly #pages: (Uint8Array | undefined)[] = new Array(BUCKET_PAGES).fill(undefined);

  add({ bucket, mark }: KeyPlace): void {
    const page = Math.floor(bucket / PAGE_BUCKETS);
    const bits = this.#pages[page] ?? new Uint8Array(PRESENCE_PAGE_BYTES);
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

  /** Whether a key has ever been added to one of the page's buckets. */
  hasPage(page: number): boolean {
    return this.#pages[page] !== undefined;
  }

  /** Writes a page, {@link PRESENCE_PAGE_BYTES} of it, over zeros. */
  writePage(page: number, bytes: Uint8Array, start: number): void {
    const bits = this.#pages[page];
    if (bits !== undefined) bytes.set(bits, start);
  }

  /** Takes a page as {@link writePage} wrote it. */
  readPage(page: number, bytes: Uint8Array, start: number): void {
    this.#pages[page] = bytes.slice(start, start + PRESENCE_PAGE_BYTES);
  }
}
