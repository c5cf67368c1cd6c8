import { beforeAll, describe, expect, test } from "vitest";
import {
  BUCKET_COUNT,
  BUCKET_PAGES,
  DIGEST_BYTES,
  type Digest,
  FINGERPRINTS_PAGE_BYTES,
  Fingerprints,
} from "../digest.ts";
import { randomBelow, SeededRandom } from "../random.ts";
import type { BucketEntry } from "./bucket-entries.ts";
import { FullTree, reconcile, type WalkedReplica } from "./full-tree.contract.ts";

const KEYS = 1_000_000;
const YEAR_MS = 31_536_000_000;

/** The record at a place of a bucket is a function of both, so that a million of them need not be kept. */
function entryAt(bucket: number, ordinal: number, version: number): BucketEntry {
  const key = new SeededRandom(bucket * 4096 + ordinal);
  const keyHash = hexWord(key) + hexWord(key).slice(0, 4);
  const time = Math.floor((1.9e12 + key.next() * YEAR_MS) * 2048) + version * 20_480;
  const digest = Buffer.from(digestAt(bucket, ordinal, version), "latin1").toString("hex", 0, 8);
  return { keyHash, digest, time };
}

function digestAt(bucket: number, ordinal: number, version: number): Digest {
  const random = new SeededRandom((bucket * 4096 + ordinal) * 4 + version + 0x10000000);
  const words = new Uint32Array(DIGEST_BYTES / 4);
  for (let word = 0; word < words.length; word++) words[word] = randomBelow(random, 2 ** 32);
  return Buffer.from(words.buffer).toString("latin1");
}

const hexWord = (random: SeededRandom) =>
  randomBelow(random, 2 ** 32)
    .toString(16)
    .padStart(8, "0");

const counts = new Uint16Array(BUCKET_COUNT);
const common = new Fingerprints();
let commonTree: FullTree;

beforeAll(() => {
  const random = new SeededRandom(20_310_517);
  for (let i = 0; i < KEYS; i++) {
    const bucket = randomBelow(random, BUCKET_COUNT);
    const ordinal = counts[bucket] ?? 0;
    common.add(bucket, digestAt(bucket, ordinal, 0));
    counts[bucket] = ordinal + 1;
  }
  commonTree = FullTree.over(common);
});

/** The common million with some records replaced by another version, or taken away. */
function replica(changes: ReadonlyMap<number, ReadonlyMap<number, number | "absent">>): WalkedReplica {
  const fingerprints = new Fingerprints();
  const bytes = new Uint8Array(FINGERPRINTS_PAGE_BYTES);
  for (let page = 0; page < BUCKET_PAGES; page++) {
    if (!common.hasPage(page)) continue;
    common.writePage(page, bytes, 0);
    fingerprints.readPage(page, bytes, 0);
  }
  for (const [bucket, changed] of changes) {
    for (const [ordinal, version] of changed) {
      fingerprints.subtract(bucket, digestAt(bucket, ordinal, 0));
      if (version !== "absent") fingerprints.add(bucket, digestAt(bucket, ordinal, version));
    }
  }
  const tree = commonTree.clone();
  tree.update(fingerprints, changes.keys());
  return {
    tree,
    list: (bucket) =>
      Array.from({ length: counts[bucket] ?? 0 }, (_, ordinal) => ordinal).flatMap((ordinal) => {
        const version = changes.get(bucket)?.get(ordinal) ?? 0;
        return version === "absent" ? [] : entryAt(bucket, ordinal, version);
      }),
  };
}

type Changes = Map<number, Map<number, number | "absent">>;

/** Four kinds by turns: present or newer, on the one side or the other. */
function differing(d: number): { here: Changes; there: Changes; push: string[]; want: string[] } {
  const random = new SeededRandom(d);
  const taken = new Set<string>();
  const result = { here: new Map(), there: new Map(), push: [] as string[], want: [] as string[] };
  while (taken.size < d) {
    const bucket = randomBelow(random, BUCKET_COUNT);
    const ordinal = randomBelow(random, Math.max(1, counts[bucket] ?? 0));
    if (counts[bucket] === 0 || taken.has(`${bucket} ${ordinal}`)) continue;
    const kind = taken.size % 4;
    const side = kind % 2 === 0 ? result.there : result.here;
    const other = kind % 2 === 0 ? result.here : result.there;
    if (kind < 2) note(side, bucket, ordinal, "absent");
    else note(other, bucket, ordinal, 1);
    (kind % 2 === 0 ? result.push : result.want).push(entryAt(bucket, ordinal, 0).keyHash);
    taken.add(`${bucket} ${ordinal}`);
  }
  return result;
}

function note(changes: Changes, bucket: number, ordinal: number, change: number | "absent"): void {
  changes.set(bucket, (changes.get(bucket) ?? new Map()).set(ordinal, change));
}

describe("two replicas of 1,000,000 keys", () => {
  test.each([
    { d: 0, bytes: 232, below: 300, roundTrips: 1 },
    { d: 1, bytes: 974, below: 2_500, roundTrips: 4 },
    { d: 10, bytes: 7_342, below: 12_000, roundTrips: 4 },
    { d: 100, bytes: 56_391, below: 90_000, roundTrips: 4 },
    { d: 1000, bytes: 452_206, below: 500_000, roundTrips: 4 },
  ])("that differ in $d keys need $bytes bytes", async ({ d, bytes, below, roundTrips }) => {
    const { here, there, push, want } = differing(d);
    const found = await reconcile(replica(here), replica(there), 1 << 20);
    expect(found.push.map((entry) => entry.keyHash).sort()).toEqual(push.sort());
    expect([...found.want].sort()).toEqual(want.sort());
    expect(found.roundTrips).toBe(roundTrips);
    expect(found.bytes).toBe(bytes);
    expect(found.bytes).toBeLessThan(below);
  });
});
