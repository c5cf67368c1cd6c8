/** Fingerprints, counters and index computed anew from the records. Nothing else uses the store meanwhile. */
import { BUCKET_COUNT, decodeUtf8, type RecordHasher } from "@hearsay/core";
import type { Codec } from "./codec.ts";
import type { DatabaseHandle, Entry } from "./database-handle.ts";
import { EntryReader } from "./entry-reader.ts";
import {
  graveyardKey,
  INDEX_PREFIX,
  indexKey,
  type KeyRange,
  parseIndexKey,
  quarantineKey,
  RECORD_PREFIX,
  recordKey,
  SPACE,
  spaceRange,
  userKey,
} from "./keyspace.ts";
import { Presence } from "./presence.ts";
import { quarantinedKeys } from "./quarantine.ts";
import { sameSummary } from "./summary.ts";
import { contributionOf, Tally } from "./tally.ts";

export interface RebuildReport {
  readonly tally: Tally;
  readonly presence: Presence;
  /** Found damaged or missing now, and put into quarantine. */
  readonly damaged: number;
  /** Index entries that were written anew. */
  readonly reindexed: number;
}

interface Parts {
  readonly handle: DatabaseHandle;
  readonly codec: Codec;
  readonly hasher: RecordHasher;
}

const EMPTY = new Uint8Array(0);

export interface RebuildOptions {
  /**
   * Whether the values of the index are read and compared too, and not only its keys. Without it an entry whose value
   * alone is damaged is left to be found and mended when its bucket is listed, as after a clean stop.
   */
  readonly thorough: boolean;
  /** Called when there is damage, before anything of it is corrected; may throw to leave it. */
  onDamage(): void;
  /** Notes that a record is lost in the batch of corrections that puts it away: afterwards nothing shows it any more. */
  onLoss(fixes: Fixes): void;
}

export async function rebuild(parts: Parts, options: RebuildOptions): Promise<RebuildReport> {
  // One after the other: both at once took longer, as they wait for the same two threads.
  const sums: Sums = { keys: new BucketSums(), versions: options.thorough ? new BucketSums() : undefined };
  const quarantined = await quarantinedKeys(parts.handle);
  const records = await countRecords(parts, sums, quarantined, options);
  for (const key of quarantined) records.presence.add(parts.hasher.place(key));
  await subtractIndex(parts, quarantined, sums);
  const differing = new Set([...sums.keys.notZero(), ...(sums.versions?.notZero() ?? [])]);
  if (differing.size > 0) options.onDamage();
  const { tally, presence, damaged } = records;
  if (differing.size === 0) return { tally, presence, damaged, reindexed: records.healed };
  const reindexed = records.healed + (await reindex(parts, differing));
  const missing = await quarantineMissing(parts, differing, options);
  for (const key of missing) presence.add(parts.hasher.place(key));
  return { tally, presence, damaged: damaged + missing.length, reindexed };
}

/**
 * A count and a sum for each bucket, to which the records are added and from which the index is subtracted: enough to tell
 * one from the other, where by chance an entry is missing, old or under another key. Costs a tenth of what digests would.
 */
class BucketSums {
  readonly #counts: Int32Array = new Int32Array(BUCKET_COUNT);
  readonly #sums: Float64Array = new Float64Array(BUCKET_COUNT);

  /** @param number a whole one of at most 53 bits */
  add(bucket: number, number: number): void {
    this.#counts[bucket] = (this.#counts[bucket] ?? 0) + 1;
    // Kept below the modulus, so that it is exact and does not depend on the order; a division would take longer.
    const sum = (this.#sums[bucket] ?? 0) + (number < SUM_MODULUS ? number : number - SUM_MODULUS);
    this.#sums[bucket] = sum < SUM_MODULUS ? sum : sum - SUM_MODULUS;
  }

  /** Takes back what {@link add} has added. */
  subtract(bucket: number, number: number): void {
    this.#counts[bucket] = (this.#counts[bucket] ?? 0) - 1;
    const sum = (this.#sums[bucket] ?? 0) - (number < SUM_MODULUS ? number : number - SUM_MODULUS);
    this.#sums[bucket] = sum < 0 ? sum + SUM_MODULUS : sum;
  }

  /** Buckets of which not all that was added was subtracted, or something else. */
  notZero(): number[] {
    const buckets: number[] = [];
    for (let bucket = 0; bucket < BUCKET_COUNT; bucket++) {
      if (this.#counts[bucket] !== 0 || this.#sums[bucket] !== 0) buckets.push(bucket);
    }
    return buckets;
  }
}

const SUM_MODULUS = 2 ** 52;

interface Sums {
  /** Of a hash of each key. */
  readonly keys: BucketSums;
  /** Of the time of each version; undefined where the values of the index are not read. */
  readonly versions: BucketSums | undefined;
}

/** FNV-1a of the key (Fowler, Noll, Vo), from a byte on in its database key. */
function keyHash(databaseKey: Uint8Array, start: number): number {
  let hash = 0x811c9dc5;
  for (let i = start; i < databaseKey.length; i++) hash = Math.imul(hash ^ (databaseKey[i] ?? 0), 0x01000193);
  return hash >>> 0;
}

/** Moves every index entry to the bucket that the present digest key gives its key. */
export async function rebucket(handle: DatabaseHandle, codec: Codec, hasher: RecordHasher): Promise<void> {
  await eachChunk(handle, spaceRange(SPACE.index), (entries, fixes) => {
    for (const [at, value] of entries) {
      const { bucket, key } = parseIndexKey(at);
      const text = decodeUtf8(key);
      const summary = codec.decodeSummary(at, value);
      const moved = text === undefined ? bucket : hasher.bucketOf(text);
      if (moved === bucket) continue;
      fixes.del(at);
      // One that cannot be read stays as unreadable, and the key in it tells of a record still.
      fixes.put(indexKey(moved, key), (to) =>
        summary === undefined ? value : codec.encodeSummary(to, summary),
      );
    }
  });
}

interface RecordCount {
  readonly tally: Tally;
  readonly presence: Presence;
  readonly damaged: number;
  /** Records that lay beside what is in quarantine under their keys. */
  readonly healed: number;
}

/**
 * Quarantine follows: what fails its checksum enters it. Where it has a key whose record can be read, a salvage has lost either
 * the removal from quarantine or that of the record, and the record counts; its index entry is written anew, for it may be of the other.
 */
async function countRecords(
  parts: Parts,
  { keys, versions }: Sums,
  quarantined: Set<string>,
  { onDamage, onLoss }: RebuildOptions,
): Promise<RecordCount> {
  const { handle, codec, hasher } = parts;
  const tally = Tally.empty();
  const presence = new Presence();
  let damaged = 0;
  let healed = 0;
  await eachChunk(handle, spaceRange(SPACE.record), (entries, fixes) => {
    for (const [at, value] of entries) {
      const keyBytes = userKey(at);
      const summary = codec.summarizeRecord(at, value);
      if (summary === undefined) {
        const text = decodeUtf8(keyBytes);
        if (text === undefined || !quarantined.has(text)) {
          damaged++;
          onDamage();
          onLoss(fixes);
        }
        if (text !== undefined) quarantined.add(text);
        fixes.del(at);
        fixes.put(quarantineKey(keyBytes), () => value);
        continue;
      }
      // What passes its checksum was written by this code, so the key is valid UTF-8.
      const place = hasher.place(keyBytes);
      const { bucket } = place;
      presence.add(place);
      tally.add(bucket, contributionOf(hasher, keyBytes, summary));
      keys.add(bucket, keyHash(at, RECORD_PREFIX));
      for (const { time } of summary.versions) versions?.add(bucket, time);
      if (quarantined.size > 0 && quarantined.delete(decodeUtf8(keyBytes) ?? "")) {
        healed++;
        fixes.del(quarantineKey(keyBytes));
        fixes.put(indexKey(bucket, keyBytes), (to) => codec.encodeSummary(to, summary));
      }
      if (summary.purgeableFrom !== undefined) {
        const grave = graveyardKey(summary.purgeableFrom, keyBytes);
        if (handle.get(grave) === undefined) fixes.put(grave, () => EMPTY);
      }
    }
  });
  return { tally, presence, damaged, healed };
}

/** The index without what is in quarantine, which it remembers. */
async function subtractIndex(
  { handle, codec }: Parts,
  quarantined: ReadonlySet<string>,
  { keys, versions }: Sums,
): Promise<void> {
  await eachChunk(handle, { ...spaceRange(SPACE.index), values: versions !== undefined }, (entries) => {
    for (const [at, value] of entries) {
      const { bucket, key } = parseIndexKey(at);
      if (quarantined.size > 0 && quarantined.has(decodeUtf8(key) ?? "")) continue;
      keys.subtract(bucket, keyHash(at, INDEX_PREFIX));
      if (versions === undefined) continue;
      const summary = codec.decodeSummary(at, value);
      for (const { time } of summary?.versions ?? []) versions.subtract(bucket, time);
    }
  });
}

/** Writes the index entries of all records in the given buckets that lack theirs. */
async function reindex({ handle, codec, hasher }: Parts, buckets: ReadonlySet<number>): Promise<number> {
  let reindexed = 0;
  await eachChunk(handle, spaceRange(SPACE.record), (entries, fixes) => {
    for (const [at, value] of entries) {
      const { bucket } = hasher.place(userKey(at));
      if (!buckets.has(bucket)) continue;
      const summary = codec.summarizeRecord(at, value);
      if (summary === undefined) continue;
      const indexAt = indexKey(bucket, userKey(at));
      const held = handle.get(indexAt);
      const known = held === undefined ? undefined : codec.decodeSummary(indexAt, held);
      if (known !== undefined && sameSummary(known, summary)) continue;
      reindexed++;
      fixes.put(indexAt, (to) => codec.encodeSummary(to, summary));
    }
  });
  return reindexed;
}

/** Puts what the index names and the records lack into quarantine, but for what is there already. */
async function quarantineMissing(
  { handle, codec, hasher }: Parts,
  buckets: ReadonlySet<number>,
  { onLoss }: RebuildOptions,
): Promise<string[]> {
  const missing: string[] = [];
  await eachChunk(handle, spaceRange(SPACE.index), (entries, fixes) => {
    for (const [at, value] of entries) {
      const { bucket, key } = parseIndexKey(at);
      if (!buckets.has(bucket)) continue;
      const text = decodeUtf8(key);
      // One that lies where its key belongs tells of a record, whatever has become of its value.
      const isPlaced = text !== undefined && hasher.bucketOf(text) === bucket;
      if (!isPlaced || codec.decodeSummary(at, value) === undefined) fixes.del(at);
      if (!isPlaced || handle.get(recordKey(key)) !== undefined) continue;
      if (handle.get(quarantineKey(key)) !== undefined) continue;
      missing.push(text);
      onLoss(fixes);
      fixes.put(quarantineKey(key), () => EMPTY);
    }
  });
  return missing;
}

/** One batch of corrections. Not synced: the commit that ends the opening is. */
export class Fixes {
  readonly #handle: DatabaseHandle;
  readonly #operations: { readonly key: Uint8Array; readonly value: Uint8Array | undefined }[] = [];

  constructor(handle: DatabaseHandle) {
    this.#handle = handle;
  }

  put(key: Uint8Array, encode: (key: Uint8Array) => Uint8Array): void {
    this.#operations.push({ key, value: encode(key) });
  }

  del(key: Uint8Array): void {
    this.#operations.push({ key, value: undefined });
  }

  get isEmpty(): boolean {
    return this.#operations.length === 0;
  }

  async write(): Promise<void> {
    const batch = this.#handle.current.batch();
    for (const { key, value } of this.#operations) {
      if (value === undefined) batch.del(key);
      else batch.put(key, value);
    }
    await batch.write({ sync: false });
  }
}

/** Visits all entries of a space, a chunk at a time, and writes what the visit wants corrected. */
async function eachChunk(
  handle: DatabaseHandle,
  range: KeyRange,
  visit: (entries: readonly Entry[], fixes: Fixes) => void,
): Promise<void> {
  const reader = new EntryReader(handle, range);
  try {
    for (let entries = await reader.next(); entries.length > 0; entries = await reader.next()) {
      const fixes = new Fixes(handle);
      visit(entries, fixes);
      if (fixes.isEmpty) continue;
      await reader.release();
      await fixes.write();
    }
  } finally {
    await reader.release();
  }
}
