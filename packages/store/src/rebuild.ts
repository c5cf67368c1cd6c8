/** Fingerprints, counters and index computed anew from the records. Nothing else uses the store meanwhile. */
import { BUCKET_COUNT, decodeUtf8, type RecordHasher } from "@hearsay/core";
import type { Codec } from "./codec.ts";
import type { DatabaseHandle, EntryChunk } from "./database-handle.ts";
import {
  graveyardKey,
  indexKey,
  parseIndexKey,
  quarantineKey,
  recordKey,
  SPACE,
  type Space,
  spaceRange,
  successor,
  userKey,
} from "./keyspace.ts";
import { Presence } from "./presence.ts";
import { quarantinedKeys } from "./quarantine.ts";
import { type Summary, sameSummary, summarize } from "./summary.ts";
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

/**
 * @param onDamage called once when there is damage, before it is looked into; may throw to leave it
 */
export async function rebuild(parts: Parts, onDamage: () => void): Promise<RebuildReport> {
  // One after the other: both at once took longer, as they wait for the same two threads.
  const records = await countRecords(parts);
  const quarantined = await quarantinedKeys(parts.handle);
  for (const key of quarantined) records.presence.add(parts.hasher.place(key));
  const index = await countIndex(parts, quarantined);
  const differing = new Set<number>();
  for (let bucket = 0; bucket < BUCKET_COUNT; bucket++) {
    if (!records.sums.bucketEquals(bucket, index)) differing.add(bucket);
  }
  if (records.damaged > 0 || differing.size > 0) onDamage();
  const { tally, presence, damaged } = records;
  if (differing.size === 0) return { tally, presence, damaged, reindexed: 0 };
  const reindexed = await reindex(parts, differing);
  const missing = await quarantineMissing(parts, differing);
  for (const key of missing) presence.add(parts.hasher.place(key));
  return { tally, presence, damaged: damaged + missing.length, reindexed };
}

/**
 * Count and sum of version times of each bucket: enough to tell records from an index whose every entry passes
 * its checksum, for then an entry can only be missing or old. Costs a third of what digests would.
 */
class VersionSums {
  readonly #counts: Uint32Array = new Uint32Array(BUCKET_COUNT);
  readonly #times: Float64Array = new Float64Array(BUCKET_COUNT);

  add(bucket: number, { versions }: Summary): void {
    this.#counts[bucket] = (this.#counts[bucket] ?? 0) + 1;
    let sum = this.#times[bucket] ?? 0;
    // Kept below the modulus, so that it is exact and does not depend on the order.
    for (const { time } of versions) sum = (sum + (time % TIME_MODULUS)) % TIME_MODULUS;
    this.#times[bucket] = sum;
  }

  bucketEquals(bucket: number, other: VersionSums): boolean {
    return this.#counts[bucket] === other.#counts[bucket] && this.#times[bucket] === other.#times[bucket];
  }
}

const TIME_MODULUS = 2 ** 52;

/** Moves every index entry to the bucket that the present digest key gives its key. */
export async function rebucket(handle: DatabaseHandle, codec: Codec, hasher: RecordHasher): Promise<void> {
  for await (const entries of chunks(handle, SPACE.index)) {
    const fixes = new Fixes(handle);
    for (const [at, value] of entries) {
      const { bucket, key } = parseIndexKey(at);
      const text = decodeUtf8(key);
      const summary = codec.decodeSummary(at, value);
      const moved = text === undefined ? bucket : hasher.bucketOf(text);
      if (moved === bucket) continue;
      fixes.del(at);
      if (summary !== undefined) fixes.put(indexKey(moved, key), (to) => codec.encodeSummary(to, summary));
    }
    await fixes.write();
  }
}

interface RecordCount {
  readonly tally: Tally;
  readonly presence: Presence;
  readonly sums: VersionSums;
  readonly damaged: number;
}

async function countRecords(parts: Parts): Promise<RecordCount> {
  const { handle, codec, hasher } = parts;
  const tally = Tally.empty();
  const presence = new Presence();
  const sums = new VersionSums();
  let damaged = 0;
  for await (const entries of chunks(handle, SPACE.record)) {
    const fixes = new Fixes(handle);
    for (const [at, value] of entries) {
      const keyBytes = userKey(at);
      const key = decodeUtf8(keyBytes);
      const summary = key === undefined ? undefined : summaryOf(codec, at, value);
      if (key === undefined || summary === undefined) {
        if (handle.get(quarantineKey(keyBytes)) === undefined) damaged++;
        fixes.del(at);
        fixes.put(quarantineKey(keyBytes), () => value);
        continue;
      }
      const place = hasher.place(key);
      const { bucket } = place;
      presence.add(place);
      tally.add(bucket, contributionOf(hasher, key, summary));
      sums.add(bucket, summary);
      if (summary.purgeableFrom !== undefined) {
        const grave = graveyardKey(summary.purgeableFrom, keyBytes);
        if (handle.get(grave) === undefined) fixes.put(grave, () => EMPTY);
      }
    }
    await fixes.write();
  }
  return { tally, presence, sums, damaged };
}

function summaryOf(codec: Codec, databaseKey: Uint8Array, value: Uint8Array): Summary | undefined {
  const decoded = codec.decodeRecord(databaseKey, value);
  if (decoded === undefined) return undefined;
  return summarize(decoded.record, databaseKey.length - 1 + value.length);
}

/** The index without what is in quarantine, which it remembers. */
async function countIndex({ handle, codec }: Parts, quarantined: ReadonlySet<string>): Promise<VersionSums> {
  const sums = new VersionSums();
  for await (const entries of chunks(handle, SPACE.index)) {
    for (const [at, value] of entries) {
      const summary = codec.decodeSummary(at, value);
      if (summary === undefined) continue;
      const { bucket, key } = parseIndexKey(at);
      if (quarantined.size > 0 && quarantined.has(decodeUtf8(key) ?? "")) continue;
      sums.add(bucket, summary);
    }
  }
  return sums;
}

/** Writes the index entries of all records in the given buckets that lack theirs. */
async function reindex({ handle, codec, hasher }: Parts, buckets: ReadonlySet<number>): Promise<number> {
  let reindexed = 0;
  for await (const entries of chunks(handle, SPACE.record)) {
    const fixes = new Fixes(handle);
    for (const [at, value] of entries) {
      const key = decodeUtf8(userKey(at));
      if (key === undefined) continue;
      const bucket = hasher.bucketOf(key);
      if (!buckets.has(bucket)) continue;
      const summary = summaryOf(codec, at, value);
      if (summary === undefined) continue;
      const indexAt = indexKey(bucket, userKey(at));
      const held = handle.get(indexAt);
      const known = held === undefined ? undefined : codec.decodeSummary(indexAt, held);
      if (known !== undefined && sameSummary(known, summary)) continue;
      reindexed++;
      fixes.put(indexAt, (to) => codec.encodeSummary(to, summary));
    }
    await fixes.write();
  }
  return reindexed;
}

/** Puts what the index names and the records lack into quarantine, but for what is there already. */
async function quarantineMissing(
  { handle, codec, hasher }: Parts,
  buckets: ReadonlySet<number>,
): Promise<string[]> {
  const missing: string[] = [];
  for await (const entries of chunks(handle, SPACE.index)) {
    const fixes = new Fixes(handle);
    for (const [at, value] of entries) {
      const { bucket, key } = parseIndexKey(at);
      if (!buckets.has(bucket)) continue;
      const text = decodeUtf8(key);
      const readable = text !== undefined && codec.decodeSummary(at, value) !== undefined;
      if (!readable || hasher.bucketOf(text) !== bucket) {
        // Says nothing that could be believed; if there is a record, its entry has just been written.
        fixes.del(at);
        continue;
      }
      if (handle.get(recordKey(key)) !== undefined || handle.get(quarantineKey(key)) !== undefined) continue;
      missing.push(text);
      fixes.put(quarantineKey(key), () => EMPTY);
    }
    await fixes.write();
  }
  return missing;
}

/** One batch of corrections. Not synced: the commit that ends the opening is. */
class Fixes {
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

  async write(): Promise<void> {
    if (this.#operations.length === 0) return;
    const batch = this.#handle.current.batch();
    for (const { key, value } of this.#operations) {
      if (value === undefined) batch.del(key);
      else batch.put(key, value);
    }
    await batch.write({ sync: false });
  }
}

/** All chunks of a space; the next one is read while the caller works on this one. */
async function* chunks(handle: DatabaseHandle, space: Space): AsyncGenerator<EntryChunk["entries"]> {
  const range = spaceRange(space);
  let reading: Promise<EntryChunk> | undefined = handle.read(range);
  while (reading !== undefined) {
    const { entries, exhausted }: EntryChunk = await reading;
    const last = entries.at(-1);
    reading =
      exhausted || last === undefined ? undefined : handle.read({ ...range, gte: successor(last[0]) });
    // Whoever stops early must not leave a rejection behind.
    reading?.catch(() => undefined);
    yield entries;
  }
}
