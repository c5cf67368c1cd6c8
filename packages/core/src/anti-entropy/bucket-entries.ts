/**
 * What a bucket holds, in 19 bytes a record: 6 bytes of the key's hash, 8 of the record digest and 5 of the
 * newest version's time, in units of 4 ms. Enough to know which records differ and, mostly, which side is newer, at
 * a third of what keys and versions would take.
 *
 * The time only decides who sends first: where both times fall into one unit, both sides send. The key hashes are
 * shortened, so whoever asks for a key hash gets every record under it.
 */
import type { HlcTime } from "../clock.ts";
import { toHex, writeHex } from "../hex.ts";

export interface BucketEntry {
  /** 12 hexadecimal digits of a keyed hash of the key; other bits than those that choose the bucket. */
  readonly keyHash: string;
  /** 16 hexadecimal digits. */
  readonly digest: string;
  /** Of the newest sibling. Decoded entries have it rounded down to a whole unit of 4 ms. */
  readonly time: HlcTime;
}

const KEY_HASH_BYTES = 6;
const DIGEST_BYTES = 8;
const TIME_BYTES = 5;
/** Clock ticks: 2 ** 13 ticks are 4 ms, and leave 40 of a safe integer's 53 bits. */
const TIME_UNIT = 8192;
export const BUCKET_ENTRY_BYTES: number = KEY_HASH_BYTES + DIGEST_BYTES + TIME_BYTES;

export function encodeBucketEntries(entries: readonly BucketEntry[]): Uint8Array {
  const bytes = new Uint8Array(entries.length * BUCKET_ENTRY_BYTES);
  let at = 0;
  for (const { keyHash, digest, time } of entries) {
    writeHex(keyHash, bytes, at);
    writeHex(digest, bytes, at + KEY_HASH_BYTES);
    at += KEY_HASH_BYTES + DIGEST_BYTES;
    at = writeTime(bytes, at, time);
  }
  return bytes;
}

/** Undefined when the length is not a whole number of entries. */
export function decodeBucketEntries(bytes: Uint8Array): BucketEntry[] | undefined {
  if (bytes.length % BUCKET_ENTRY_BYTES !== 0) return undefined;
  const entries: BucketEntry[] = [];
  for (let at = 0; at < bytes.length; at += BUCKET_ENTRY_BYTES) {
    entries.push({
      keyHash: toHex(bytes, at, at + KEY_HASH_BYTES),
      digest: toHex(bytes, at + KEY_HASH_BYTES, at + KEY_HASH_BYTES + DIGEST_BYTES),
      time: readTime(bytes, at + KEY_HASH_BYTES + DIGEST_BYTES),
    });
  }
  return entries;
}

/** What the asking side does about one differing bucket. */
export interface BucketPlan {
  /** Own entries, by position, that the peer lacks or holds older: their records are sent. */
  readonly push: readonly number[];
  /** Key hashes whose records are asked for. */
  readonly want: readonly string[];
}

export function compareBucket(ours: readonly BucketEntry[], theirs: readonly BucketEntry[]): BucketPlan {
  const theirsByKey = groupByKey(theirs);
  const oursByKey = groupByKey(
    ours.map(({ keyHash, time, digest }, position) => ({ keyHash, time, digest, position })),
  );
  const push: number[] = [];
  const want: string[] = [];
  for (const [keyHash, own] of oursByKey) {
    const peer = theirsByKey.get(keyHash) ?? [];
    const lackedThere = own.filter((entry) => !peer.some((other) => other.digest === entry.digest));
    const lackedHere = peer.filter((other) => !own.some((entry) => entry.digest === other.digest));
    // One record on each side is most likely one key in different versions: the newer side sends, and the
    // receiver answers with what the merge shows that the sender lacks.
    const oneKey = own.length === 1 && peer.length === 1;
    const ownTime = timeUnits(own[0]?.time ?? 0);
    const peerTime = timeUnits(peer[0]?.time ?? 0);
    if (!(oneKey && ownTime < peerTime)) push.push(...lackedThere.map((entry) => entry.position));
    if (lackedHere.length > 0 && !(oneKey && ownTime > peerTime)) want.push(keyHash);
  }
  for (const keyHash of theirsByKey.keys()) if (!oursByKey.has(keyHash)) want.push(keyHash);
  return { push, want };
}

function groupByKey<Entry extends BucketEntry>(entries: readonly Entry[]): Map<string, Entry[]> {
  const groups = new Map<string, Entry[]>();
  for (const entry of entries) {
    const group = groups.get(entry.keyHash);
    if (group === undefined) groups.set(entry.keyHash, [entry]);
    else group.push(entry);
  }
  return groups;
}

function timeUnits(time: HlcTime): number {
  return Math.floor(time / TIME_UNIT);
}

function writeTime(bytes: Uint8Array, at: number, time: HlcTime): number {
  let rest = timeUnits(time);
  for (let i = at + TIME_BYTES - 1; i >= at; i--) {
    bytes[i] = rest % 256;
    rest = Math.floor(rest / 256);
  }
  return at + TIME_BYTES;
}

function readTime(bytes: Uint8Array, at: number): HlcTime {
  let units = 0;
  for (let i = at; i < at + TIME_BYTES; i++) units = units * 256 + (bytes[i] ?? 0);
  return units * TIME_UNIT;
}
