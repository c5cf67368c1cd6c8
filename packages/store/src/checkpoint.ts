/** What is known of all records together, as a clean close leaves it behind for the next start. */
import { BUCKET_PAGES, FINGERPRINTS_PAGE_BYTES, Fingerprints } from "@hearsay/core";
import { PRESENCE_PAGE_BYTES, Presence } from "./presence.ts";
import { type Counters, Tally } from "./tally.ts";

export interface Checkpoint {
  readonly sequence: number;
  readonly tally: Tally;
  readonly presence: Presence;
}

/*
 *   checkpoint = 5 numbers: sequence, records, tombstones, purgeable, bytes
 *                a bit for each page of buckets: whether it follows
 *                of each page that does, the presence filter's part and the fingerprints
 */
const NUMBERS = 5;
const FLAGS_AT = NUMBERS * 8;
const PAGES_AT = FLAGS_AT + BUCKET_PAGES / 8;
const PAGE_BYTES = PRESENCE_PAGE_BYTES + FINGERPRINTS_PAGE_BYTES;

export function encodeCheckpoint({ sequence, tally, presence }: Checkpoint): Uint8Array {
  const { counters, fingerprints } = tally;
  const pages: number[] = [];
  for (let page = 0; page < BUCKET_PAGES; page++) {
    if (presence.hasPage(page) || fingerprints.hasPage(page)) pages.push(page);
  }
  const encoded = new Uint8Array(PAGES_AT + pages.length * PAGE_BYTES);
  const view = new DataView(encoded.buffer);
  const { records, tombstones, purgeable, bytes } = counters;
  for (const [i, number] of [sequence, records, tombstones, purgeable, bytes].entries()) {
    view.setFloat64(i * 8, number);
  }
  for (const [i, page] of pages.entries()) {
    const flags = FLAGS_AT + (page >>> 3);
    encoded[flags] = (encoded[flags] ?? 0) | (1 << (page & 7));
    const at = PAGES_AT + i * PAGE_BYTES;
    presence.writePage(page, encoded, at);
    fingerprints.writePage(page, encoded, at + PRESENCE_PAGE_BYTES);
  }
  return encoded;
}

/** Undefined when it is none. */
export function parseCheckpoint(encoded: Uint8Array): Checkpoint | undefined {
  const pages: number[] = [];
  for (let page = 0; page < BUCKET_PAGES; page++) {
    if (((encoded[FLAGS_AT + (page >>> 3)] ?? 0) & (1 << (page & 7))) !== 0) pages.push(page);
  }
  if (encoded.length !== PAGES_AT + pages.length * PAGE_BYTES) return undefined;
  const presence = new Presence();
  const fingerprints = new Fingerprints();
  for (const [i, page] of pages.entries()) {
    const at = PAGES_AT + i * PAGE_BYTES;
    presence.readPage(page, encoded, at);
    fingerprints.readPage(page, encoded, at + PRESENCE_PAGE_BYTES);
  }
  const view = new DataView(encoded.buffer, encoded.byteOffset, encoded.byteLength);
  const counters: Counters = {
    records: view.getFloat64(8),
    tombstones: view.getFloat64(16),
    purgeable: view.getFloat64(24),
    bytes: view.getFloat64(32),
  };
  return { sequence: view.getFloat64(0), tally: new Tally(fingerprints, counters), presence };
}
