/** Lists that are read without touching records: a bucket from the index, the damaged from the quarantine. */
import { charsToHex, decodeUtf8, type HlcTime, type Version } from "@hearsay/core";
import type { Engine } from "./engine.ts";
import {
  bucketRange,
  indexKey,
  parseIndexKey,
  quarantineKey,
  SPACE,
  spaceRange,
  successor,
  userKey,
} from "./keyspace.ts";

export interface BucketEntry {
  readonly key: string;
  /** Of the siblings, newest first. */
  readonly versions: readonly Version[];
}

/** A record as the anti-entropy of its bucket compares it. */
export interface ListedRecord {
  readonly key: string;
  /** 12 hexadecimal digits. */
  readonly keyHash: string;
  /** The first 16 hexadecimal digits of the record digest. */
  readonly digest: string;
  /** Of the newest sibling. */
  readonly time: HlcTime;
}

const LISTED_DIGEST_BYTES = 8;

export interface DamagedEntry {
  readonly key: string;
  /** What the index knows; empty when the index entry is damaged too. */
  readonly versions: readonly Version[];
}

export async function listBucket(engine: Engine, bucket: number): Promise<BucketEntry[]> {
  const { handle, codec, table, damaged } = engine;
  const found: BucketEntry[] = [];
  let range = bucketRange(bucket);
  for (;;) {
    const { entries, exhausted } = await handle.read(range);
    for (const [at, value] of entries) {
      const keyBytes = parseIndexKey(at).key;
      const key = decodeUtf8(keyBytes);
      if (key === undefined) continue;
      const summary = codec.decodeSummary(at, value);
      // The fingerprints do not contain what is in quarantine, and neither may this.
      if (damaged > 0 && handle.get(quarantineKey(keyBytes)) !== undefined) continue;
      if (summary !== undefined) found.push({ key, versions: summary.versions });
      else {
        const versions = table.reindex(key);
        if (versions !== undefined) found.push({ key, versions });
      }
    }
    const last = entries.at(-1);
    if (exhausted || last === undefined) return found;
    range = { ...range, gte: successor(last[0]) };
  }
}

export async function listDigests(engine: Engine, bucket: number): Promise<ListedRecord[]> {
  const { hasher, tally } = engine;
  // An empty node is asked about every bucket, and to find nothing in the database takes as long as to find something.
  if (tally.fingerprints.count(bucket) === 0) return [];
  const entries = await listBucket(engine, bucket);
  return entries.map(({ key, versions }) => {
    const digest = charsToHex(hasher.recordDigest(key, versions), LISTED_DIGEST_BYTES);
    return { key, keyHash: hasher.keyHash(key), digest, time: versions[0]?.time ?? 0 };
  });
}

export async function listDamaged(engine: Engine, limit: number): Promise<DamagedEntry[]> {
  const { handle, hasher, codec } = engine;
  const found: DamagedEntry[] = [];
  let range = spaceRange(SPACE.quarantine);
  while (found.length < limit) {
    const { entries, exhausted } = await handle.read(range, limit - found.length);
    for (const [at] of entries) {
      const key = decodeUtf8(userKey(at));
      if (key === undefined) continue;
      const indexAt = indexKey(hasher.bucketOf(key), userKey(at));
      const index = handle.get(indexAt);
      const summary = index === undefined ? undefined : codec.decodeSummary(indexAt, index);
      found.push({ key, versions: summary?.versions ?? [] });
    }
    const last = entries.at(-1);
    if (exhausted || last === undefined) break;
    range = { ...range, gte: successor(last[0]) };
  }
  return found;
}
