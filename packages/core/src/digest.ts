/**
 * Record digests and bucket fingerprints, the leaves of the Merkle tree.
 *
 * A record digest is SHA-256 over a cluster's digest key, the key and its sibling versions, newest first. The
 * context is left out: siblings determine it but for purged parts, and two replicas that differ in nothing else
 * must not look different. A bucket's fingerprint is the sum of its digests modulo 2^256 with their count
 * (Bellare and Micciancio's additive set hash, 1997), so that a write changes it in O(1). The digest key keeps
 * clients, who choose keys, from choosing digests.
 */
import { KEY_MAX_BYTES } from "./key.ts";
import type { Version } from "./version.ts";

/** The hash function, handed in so that this code runs on any platform. */
export interface Hashing {
  /** SHA-256, 32 bytes. */
  sha256(bytes: Uint8Array): Uint8Array;
  /** SHA-256 as 64 lower-case hexadecimal digits; of a text, of its UTF-8. */
  sha256Hex(input: Uint8Array | string): string;
  /** SHA-256 as a {@link Digest}. */
  sha256Text(bytes: Uint8Array): Digest;
  /** CRC-32 (ISO 3309) of the bytes, continued from an earlier value. */
  crc32(bytes: Uint8Array, seed?: number): number;
}

/** 32 characters, one for each byte: an array of bytes takes five times the memory, and each write makes a digest. */
export type Digest = string;

export const DIGEST_BYTES = 32;
export const BUCKET_COUNT = 65_536;

// One byte in front of everything that is hashed keeps the kinds apart, so that no input of one kind is ever an
// input of another.
const BUCKET_DOMAIN = 0x01;
const RECORD_DOMAIN = 0x02;
const LEAF_DOMAIN = 0x03;

const VERSION_MAX_BYTES = 8 + 1 + 255;
const encoder = new TextEncoder();

/** A key, or its UTF-8, which gives the same hashes. */
type KeyText = string | Uint8Array;

/** Where a key's record is counted. */
export interface KeyPlace {
  readonly bucket: number;
  /** 32 bits that tell keys of one bucket apart, most of the time; signed, as such numbers need no memory of their own. */
  readonly mark: number;
}

/** Computes buckets and digests of one cluster. Keeps a scratch buffer, so it must not be shared between threads. */
export class RecordHasher {
  readonly #hashing: Hashing;
  readonly #digestKey: Uint8Array;
  #scratch: Uint8Array;
  #view: DataView;
  /** The first bytes of the scratch buffer, by their number: to make such a view costs a good part of what hashing it does. */
  #beginnings: Uint8Array[] = [];

  /** @param digestKey 32 bytes that all nodes of the cluster share */
  constructor(hashing: Hashing, digestKey: Uint8Array) {
    this.#hashing = hashing;
    this.#digestKey = digestKey;
    this.#scratch = this.#newScratch(1 + DIGEST_BYTES + 2 + KEY_MAX_BYTES + 4 * VERSION_MAX_BYTES);
    this.#view = new DataView(this.#scratch.buffer);
  }

  /** The bucket of a key: the first 16 bits of a keyed hash. */
  bucketOf(key: string): number {
    const end = this.#writeKey(BUCKET_DOMAIN, key);
    const hash = this.#hashing.sha256Hex(this.#beginning(end));
    return Number.parseInt(hash.slice(0, 4), 16);
  }

  /** The bucket of a key, and 32 more bits of the same hash. */
  place(key: KeyText): KeyPlace {
    const end = this.#writeKey(BUCKET_DOMAIN, key);
    const hash = this.#hashing.sha256Text(this.#beginning(end));
    const bucket = (hash.charCodeAt(0) << 8) | hash.charCodeAt(1);
    const high = (hash.charCodeAt(8) << 8) | hash.charCodeAt(9);
    return { bucket, mark: (high << 16) | (hash.charCodeAt(10) << 8) | hash.charCodeAt(11) };
  }

  /** 12 hexadecimal digits of the keyed hash that chooses the bucket; other bits than those. */
  keyHash(key: string): string {
    const end = this.#writeKey(BUCKET_DOMAIN, key);
    return this.#hashing.sha256Hex(this.#beginning(end)).slice(4, 16);
  }

  /** @param versions of all siblings, newest first */
  recordDigest(key: KeyText, versions: readonly Version[]): Digest {
    this.#reserve(1 + DIGEST_BYTES + 2 + KEY_MAX_BYTES + versions.length * VERSION_MAX_BYTES);
    let at = this.#writeKey(RECORD_DOMAIN, key);
    for (const { time, node } of versions) {
      this.#view.setFloat64(at, time);
      const written = this.#writeText(node, at + 9);
      this.#scratch[at + 8] = written;
      at += 9 + written;
    }
    return this.#hashing.sha256Text(this.#beginning(at));
  }

  #writeKey(domain: number, key: KeyText): number {
    this.#scratch[0] = domain;
    const start = 1 + DIGEST_BYTES + 2;
    const length = this.#writeText(key, start);
    this.#view.setUint16(start - 2, length);
    return start + length;
  }

  #writeText(key: KeyText, start: number): number {
    if (typeof key !== "string") {
      this.#scratch.set(key, start);
      return key.length;
    }
    for (let i = 0; i < key.length; i++) {
      const unit = key.charCodeAt(i);
      if (unit > 0x7f) return encoder.encodeInto(key, this.#scratch.subarray(start)).written;
      this.#scratch[start + i] = unit;
    }
    return key.length;
  }

  #reserve(bytes: number): void {
    if (this.#scratch.length >= bytes) return;
    this.#scratch = this.#newScratch(bytes);
    this.#view = new DataView(this.#scratch.buffer);
    this.#beginnings = [];
  }

  #newScratch(bytes: number): Uint8Array {
    const scratch = new Uint8Array(bytes);
    scratch.set(this.#digestKey, 1);
    return scratch;
  }

  #beginning(length: number): Uint8Array {
    let beginning = this.#beginnings[length];
    if (beginning === undefined) {
      beginning = this.#scratch.subarray(0, length);
      this.#beginnings[length] = beginning;
    }
    return beginning;
  }
}

const WORDS = DIGEST_BYTES / 4;
const WORD = 0x1_0000_0000;
const LEAF_BYTES = 1 + DIGEST_BYTES + 4;

/** Of each bucket the sum and then the count. */
const BUCKET_WORDS = WORDS + 1;

/** What is kept of the buckets is kept in pages of so many, so that it takes little while few of them have a record. */
export const PAGE_BUCKETS = 64;
/** Pages of all buckets. */
export const BUCKET_PAGES: number = BUCKET_COUNT / PAGE_BUCKETS;
const PAGE_WORDS = PAGE_BUCKETS * BUCKET_WORDS;
export const FINGERPRINTS_PAGE_BYTES: number = 4 * PAGE_WORDS;

/** The fingerprints of all buckets, 2.25 MiB, or less while few buckets have a record. */
export class Fingerprints {
  /** Where no record has been, there is no page. */
  readonly #pages: (Uint32Array | undefined)[] = new Array(BUCKET_PAGES).fill(undefined);
  readonly #leaf: Uint8Array = new Uint8Array(LEAF_BYTES);
  readonly #leafView: DataView = new DataView(this.#leaf.buffer);

  constructor() {
    this.#leaf[0] = LEAF_DOMAIN;
  }

  add(bucket: number, digest: Digest): void {
    const page = this.#page(bucket);
    let at = wordOf(bucket);
    let carry = 0;
    for (let byte = 0; byte < DIGEST_BYTES; byte += 4) {
      const sum = (page[at] ?? 0) + wordAt(digest, byte) + carry;
      carry = sum >= WORD ? 1 : 0;
      page[at] = sum;
      at += 1;
    }
    page[at] = (page[at] ?? 0) + 1;
  }

  subtract(bucket: number, digest: Digest): void {
    const page = this.#page(bucket);
    let at = wordOf(bucket);
    let borrow = 0;
    for (let byte = 0; byte < DIGEST_BYTES; byte += 4) {
      const difference = (page[at] ?? 0) - wordAt(digest, byte) - borrow;
      borrow = difference < 0 ? 1 : 0;
      page[at] = difference;
      at += 1;
    }
    page[at] = (page[at] ?? 0) - 1;
  }

  /** How many records are in the bucket. */
  count(bucket: number): number {
    return this.#word(bucket, WORDS);
  }

  /** The buckets whose fingerprints are not those of the other, in ascending order. */
  differingFrom(other: Fingerprints): number[] {
    return this.#bucketsWhere(
      (page) => this.#pages[page] !== undefined || other.#pages[page] !== undefined,
      (bucket) => this.#differsAt(bucket, other),
    );
  }

  /** The buckets that have a record, in ascending order. */
  occupied(): number[] {
    return this.#bucketsWhere(
      (page) => this.#pages[page] !== undefined,
      (bucket) => this.count(bucket) !== 0,
    );
  }

  /** What the Merkle leaf of a bucket is the hash of. The bytes are valid until the next call. */
  leafBytes(bucket: number): Uint8Array {
    for (let word = 0; word < WORDS; word++) {
      this.#leafView.setUint32(1 + word * 4, this.#word(bucket, word), true);
    }
    this.#leafView.setUint32(1 + DIGEST_BYTES, this.count(bucket), true);
    return this.#leaf;
  }

  /** Whether a record has ever been in one of the page's buckets. */
  hasPage(page: number): boolean {
    return this.#pages[page] !== undefined;
  }

  /** Writes a page, {@link FINGERPRINTS_PAGE_BYTES} of it, over zeros: of each bucket the sum and the count, little-endian. */
  writePage(page: number, bytes: Uint8Array, start: number): void {
    const view = new DataView(bytes.buffer, bytes.byteOffset + start, FINGERPRINTS_PAGE_BYTES);
    const words = this.#pages[page];
    for (let at = 0; words !== undefined && at < PAGE_WORDS; at++)
      view.setUint32(4 * at, words[at] ?? 0, true);
  }

  /** Takes a page as {@link writePage} wrote it. */
  readPage(page: number, bytes: Uint8Array, start: number): void {
    const view = new DataView(bytes.buffer, bytes.byteOffset + start, FINGERPRINTS_PAGE_BYTES);
    const words = new Uint32Array(PAGE_WORDS);
    for (let at = 0; at < PAGE_WORDS; at++) words[at] = view.getUint32(4 * at, true);
    this.#pages[page] = words;
  }

  /** While few buckets have a record, most pages need no look at what is in them. */
  #bucketsWhere(onPage: (page: number) => boolean, holds: (bucket: number) => boolean): number[] {
    const found: number[] = [];
    for (let page = 0; page < BUCKET_PAGES; page++) {
      if (!onPage(page)) continue;
      const end = (page + 1) * PAGE_BUCKETS;
      for (let bucket = page * PAGE_BUCKETS; bucket < end; bucket++) if (holds(bucket)) found.push(bucket);
    }
    return found;
  }

  #differsAt(bucket: number, other: Fingerprints): boolean {
    for (let word = 0; word < BUCKET_WORDS; word++) {
      if (this.#word(bucket, word) !== other.#word(bucket, word)) return true;
    }
    return false;
  }

  /** For a change. */
  #page(bucket: number): Uint32Array {
    const at = pageOf(bucket);
    const page = this.#pages[at] ?? new Uint32Array(PAGE_WORDS);
    this.#pages[at] = page;
    return page;
  }

  #word(bucket: number, word: number): number {
    return this.#pages[pageOf(bucket)]?.[wordOf(bucket) + word] ?? 0;
  }
}

function pageOf(bucket: number): number {
  return Math.floor(bucket / PAGE_BUCKETS);
}

/** Where a bucket begins in its page. */
function wordOf(bucket: number): number {
  return (bucket % PAGE_BUCKETS) * BUCKET_WORDS;
}

/** Little-endian. */
function wordAt(digest: Digest, at: number): number {
  const low = digest.charCodeAt(at) | (digest.charCodeAt(at + 1) << 8) | (digest.charCodeAt(at + 2) << 16);
  return low + digest.charCodeAt(at + 3) * 0x100_0000;
}
