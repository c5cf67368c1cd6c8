/** The keys of the database: one byte for the space, then what the store's page lists. */
import { BUCKET_COUNT, encodeUtf8, KEY_MAX_BYTES } from "@hearsay/core";

export const SPACE = {
  record: 0x72, // r
  index: 0x69, // i
  graveyard: 0x74, // t
  history: 0x68, // h
  quarantine: 0x71, // q
  ghost: 0x67, // g
  journal: 0x63, // c
  meta: 0x6d, // m
  system: 0x73, // s
} as const;

export type Space = (typeof SPACE)[keyof typeof SPACE];

/** Bytes in front of the user's key. */
export const RECORD_PREFIX = 1;
export const INDEX_PREFIX = 3;
const GRAVEYARD_PREFIX = 9;
const GHOST_PREFIX = 3;

export function recordKey(key: Uint8Array): Uint8Array {
  return prefixed(SPACE.record, key);
}

export function quarantineKey(key: Uint8Array): Uint8Array {
  return prefixed(SPACE.quarantine, key);
}

export function metaKey(name: string): Uint8Array {
  return prefixed(SPACE.meta, encodeUtf8(name));
}

export function systemKey(name: string): Uint8Array {
  return prefixed(SPACE.system, encodeUtf8(name));
}

export function indexKey(bucket: number, key: Uint8Array): Uint8Array {
  const bytes = new Uint8Array(INDEX_PREFIX + key.length);
  bytes[0] = SPACE.index;
  bytes[1] = bucket >>> 8;
  bytes[2] = bucket;
  bytes.set(key, INDEX_PREFIX);
  return bytes;
}

export function graveyardKey(purgeableFrom: number, key: Uint8Array): Uint8Array {
  const bytes = new Uint8Array(GRAVEYARD_PREFIX + key.length);
  bytes[0] = SPACE.graveyard;
  // Positive floats sort as their bytes do.
  new DataView(bytes.buffer).setFloat64(1, purgeableFrom);
  bytes.set(key, GRAVEYARD_PREFIX);
  return bytes;
}

export function historyKey(key: Uint8Array, slot: number): Uint8Array {
  const end = 3 + key.length;
  const bytes = new Uint8Array(end + 2);
  bytes[0] = SPACE.history;
  bytes[1] = key.length >>> 8;
  bytes[2] = key.length;
  bytes.set(key, 3);
  bytes[end] = slot >>> 8;
  bytes[end + 1] = slot;
  return bytes;
}

/** Of a version: its key, time and node. Earlier builds left out the node. */
export function ghostKey(key: Uint8Array, time: number, node: string): Uint8Array {
  const nodeBytes = encodeUtf8(node);
  const end = GHOST_PREFIX + key.length + 8;
  const bytes = new Uint8Array(end + nodeBytes.length);
  const view = new DataView(bytes.buffer);
  bytes[0] = SPACE.ghost;
  view.setUint16(1, key.length);
  bytes.set(key, GHOST_PREFIX);
  view.setFloat64(GHOST_PREFIX + key.length, time);
  bytes.set(nodeBytes, end);
  return bytes;
}

/** The ghosts of one key. */
export function ghostRange(key: Uint8Array): KeyRange {
  const gte = ghostKey(key, 0, "").subarray(0, GHOST_PREFIX + key.length);
  const lt = new Uint8Array(gte.length + 1).fill(0xff);
  // A positive float begins with a smaller byte.
  lt.set(gte);
  return { gte, lt };
}

export function parseGhostKey(databaseKey: Uint8Array): Uint8Array {
  const length = ((databaseKey[1] ?? 0) << 8) | (databaseKey[2] ?? 0);
  return databaseKey.subarray(GHOST_PREFIX, GHOST_PREFIX + length);
}

export const JOURNAL_SLOTS = 65_536;

export function journalKey(sequence: number): Uint8Array {
  const slot = sequence % JOURNAL_SLOTS;
  return Uint8Array.of(SPACE.journal, slot >>> 8, slot);
}

/** The part of a record or quarantine key that is the user's. */
export function userKey(databaseKey: Uint8Array): Uint8Array {
  return from(databaseKey, RECORD_PREFIX);
}

export function parseIndexKey(databaseKey: Uint8Array): { bucket: number; key: Uint8Array } {
  const bucket = ((databaseKey[1] ?? 0) << 8) | (databaseKey[2] ?? 0);
  return { bucket, key: from(databaseKey, INDEX_PREFIX) };
}

export function parseGraveyardKey(databaseKey: Uint8Array): { purgeableFrom: number; key: Uint8Array } {
  const view = new DataView(databaseKey.buffer, databaseKey.byteOffset, databaseKey.byteLength);
  return { purgeableFrom: view.getFloat64(1), key: databaseKey.subarray(GRAVEYARD_PREFIX) };
}

/**
 * Encodes one key after the other into the same memory, for lookups: what it answers is valid until the next
 * `encode`. Record and index key share their end, so they are valid one at a time.
 */
export class KeyScratch {
  readonly #bytes: Uint8Array = new Uint8Array(INDEX_PREFIX + KEY_MAX_BYTES);
  readonly #room: Uint8Array = this.#bytes.subarray(INDEX_PREFIX);
  readonly #encoder: TextEncoder = new TextEncoder();
  /** Views of the same memory by their length: making one costs more than what it is used for. */
  readonly #userKeys: Uint8Array[] = [];
  readonly #recordKeys: Uint8Array[] = [];
  readonly #indexKeys: Uint8Array[] = [];
  #length: number = 0;

  /** The user's key. Longer ones than {@link KEY_MAX_BYTES} are a mistake of the caller. */
  encode(key: string): Uint8Array {
    this.#length = this.#write(key);
    return this.#view(this.#userKeys, INDEX_PREFIX);
  }

  recordKey(): Uint8Array {
    this.#bytes[INDEX_PREFIX - RECORD_PREFIX] = SPACE.record;
    return this.#view(this.#recordKeys, INDEX_PREFIX - RECORD_PREFIX);
  }

  indexKey(bucket: number): Uint8Array {
    this.#bytes[0] = SPACE.index;
    this.#bytes[1] = bucket >>> 8;
    this.#bytes[2] = bucket;
    return this.#view(this.#indexKeys, 0);
  }

  #write(key: string): number {
    const { length } = key;
    if (length > KEY_MAX_BYTES) throw tooLong();
    for (let i = 0; i < length; i++) {
      const unit = key.charCodeAt(i);
      if (unit > 0x7f) {
        const { written, read } = this.#encoder.encodeInto(key, this.#room);
        if (read !== length) throw tooLong();
        return written;
      }
      this.#room[i] = unit;
    }
    return length;
  }

  #view(views: Uint8Array[], start: number): Uint8Array {
    let view = views[this.#length];
    if (view === undefined) {
      view = this.#bytes.subarray(start, INDEX_PREFIX + this.#length);
      views[this.#length] = view;
    }
    return view;
  }
}

function tooLong(): RangeError {
  return new RangeError(`a key of more than ${KEY_MAX_BYTES} bytes`);
}

/** Database keys from `gte` on and before `lt`. */
export interface KeyRange {
  readonly gte: Uint8Array;
  readonly lt: Uint8Array;
  /** False: entries come with empty values. */
  readonly values?: boolean;
}

export function spaceRange(space: Space): KeyRange {
  return { gte: Uint8Array.of(space), lt: Uint8Array.of(space + 1) };
}

/** Index entries of one bucket. */
export function bucketRange(bucket: number): KeyRange {
  const next = bucket + 1;
  return {
    gte: Uint8Array.of(SPACE.index, bucket >>> 8, bucket),
    lt: next === BUCKET_COUNT ? Uint8Array.of(SPACE.index + 1) : Uint8Array.of(SPACE.index, next >>> 8, next),
  };
}

/** Keys of a space that start with a prefix and come after a key; both in UTF-8. */
export function prefixRange(space: Space, prefix: Uint8Array, after: Uint8Array | undefined): KeyRange {
  const start = prefixed(space, prefix);
  // No byte of UTF-8 is 0xff.
  const lt = new Uint8Array(start.length + 1).fill(0xff);
  lt.set(start);
  if (after === undefined) return { gte: start, lt };
  const resumed = successor(prefixed(space, after));
  return { gte: compareBytes(resumed, start) > 0 ? resumed : start, lt };
}

/** The key right after the given one. */
export function successor(key: Uint8Array): Uint8Array {
  const next = new Uint8Array(key.length + 1);
  next.set(key);
  return next;
}

export function compareBytes(a: Uint8Array, b: Uint8Array): number {
  const length = Math.min(a.length, b.length);
  for (let i = 0; i < length; i++) {
    const difference = (a[i] ?? 0) - (b[i] ?? 0);
    if (difference !== 0) return difference;
  }
  return a.length - b.length;
}

export function equalBytes(a: Uint8Array, b: Uint8Array): boolean {
  return a.length === b.length && compareBytes(a, b) === 0;
}

/** Not `subarray`, which costs several times as much where the database hands out a subclass of the array. */
function from(bytes: Uint8Array, start: number): Uint8Array {
  return new Uint8Array(bytes.buffer, bytes.byteOffset + start, bytes.length - start);
}

function prefixed(space: Space, key: Uint8Array): Uint8Array {
  const bytes = new Uint8Array(1 + key.length);
  bytes[0] = space;
  bytes.set(key, 1);
  return bytes;
}
