/**
 * What a bucket holds, in 21 bytes a record: 6 bytes of the key's hash, 8 of the record digest and 7 of the
 * newest version's time. Enough to know which records differ and, mostly, which side is newer, at a third of what
 * keys and versions would take.
 *
 * The hashes are shortened, so {@link compareBucket} treats equal key hashes as "perhaps the same key": whoever
 * asks for an entry gets every record under that key hash, and sends its own when it was not among them.
 */
import type { HlcTime } from "../clock.ts";

export interface BucketEntry {
  /** 12 hexadecimal digits. */
  readonly keyHash: string;
  /** 16 hexadecimal digits. */
  readonly digest: string;
  readonly time: HlcTime;
}

const KEY_HASH_BYTES = 6;
const DIGEST_BYTES = 8;
const TIME_BYTES = 7;
export const BUCKET_ENTRY_BYTES: number = KEY_HASH_BYTES + DIGEST_BYTES + TIME_BYTES;

export function encodeBucketEntries(entries: readonly BucketEntry[]): Uint8Array {
  const bytes = new Uint8Array(entries.length * BUCKET_ENTRY_BYTES);
  let at = 0;
  for (const { keyHash, digest, time } of entries) {
    at = writeHex(bytes, at, keyHash);
    at = writeHex(bytes, at, digest);
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
      keyHash: readHex(bytes, at, KEY_HASH_BYTES),
      digest: readHex(bytes, at + KEY_HASH_BYTES, DIGEST_BYTES),
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
  const oursByKey = groupByKey(ours.map((entry, position) => ({ ...entry, position })));
  const push: number[] = [];
  const want: string[] = [];
  for (const [keyHash, own] of oursByKey) {
    const peer = theirsByKey.get(keyHash) ?? [];
    const lackedThere = own.filter((entry) => !peer.some((other) => other.digest === entry.digest));
    const lackedHere = peer.filter((other) => !own.some((entry) => entry.digest === other.digest));
    // One record on each side is most likely one key in different versions: the newer side sends, and the
    // receiver answers with what the merge shows that the sender lacks.
    const oneKey = own.length === 1 && peer.length === 1;
    const ownTime = own[0]?.time ?? 0;
    const peerTime = peer[0]?.time ?? 0;
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

function writeHex(bytes: Uint8Array, at: number, hex: string): number {
  for (let i = 0; i < hex.length; i += 2) bytes[at + i / 2] = Number.parseInt(hex.slice(i, i + 2), 16);
  return at + hex.length / 2;
}

function readHex(bytes: Uint8Array, at: number, length: number): string {
  let hex = "";
  for (let i = at; i < at + length; i++) hex += (bytes[i] ?? 0).toString(16).padStart(2, "0");
  return hex;
}

/** A safe integer has 53 bits, so 7 bytes hold any time. */
function writeTime(bytes: Uint8Array, at: number, time: HlcTime): number {
  let rest = time;
  for (let i = at + TIME_BYTES - 1; i >= at; i--) {
    bytes[i] = rest % 256;
    rest = Math.floor(rest / 256);
  }
  return at + TIME_BYTES;
}

function readTime(bytes: Uint8Array, at: number): HlcTime {
  let time = 0;
  for (let i = at; i < at + TIME_BYTES; i++) time = time * 256 + (bytes[i] ?? 0);
  return time;
}
