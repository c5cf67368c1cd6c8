import { createHash } from "node:crypto";
import { crc32 } from "node:zlib";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { HLC_TIME_MAX } from "./clock.ts";
import {
  BUCKET_COUNT,
  BUCKET_PAGES,
  DIGEST_BYTES,
  type Digest,
  FINGERPRINTS_PAGE_BYTES,
  Fingerprints,
  type Hashing,
  RecordHasher,
} from "./digest.ts";
import type { Version } from "./version.ts";

const hashing: Hashing = {
  sha256: (bytes) => createHash("sha256").update(bytes).digest(),
  sha256Hex: (bytes) => createHash("sha256").update(bytes).digest("hex"),
  sha256Text: (bytes) => createHash("sha256").update(bytes).digest("binary"),
  crc32,
};
const clusterKey = new Uint8Array(32).fill(7);
const hasher = new RecordHasher(hashing, clusterKey);
const hex = (bytes: Uint8Array) => Buffer.from(bytes).toString("hex");
const textOf = (bytes: Uint8Array): Digest => Buffer.from(bytes).toString("latin1");
const digestHex = (digest: Digest) => Buffer.from(digest, "latin1").toString("hex");

const key = fc.string({ unit: "binary", minLength: 1, maxLength: 40 });
const node = fc.nat(9).map((n) => `n${n}~0000000000`);
const versions = fc.array(fc.record({ time: fc.nat(HLC_TIME_MAX), node }), { minLength: 1, maxLength: 40 });

describe("the digest of a record", () => {
  /** The bytes the digest is defined over, written out again with other means. */
  function preimage(domain: number, text: string, siblings: readonly Version[]): Buffer {
    const encoded = Buffer.from(text);
    const parts = [
      Buffer.from([domain]),
      clusterKey,
      Buffer.from([encoded.length >> 8, encoded.length & 255]),
    ];
    parts.push(encoded);
    for (const sibling of siblings) {
      const time = Buffer.alloc(8);
      time.writeDoubleBE(sibling.time);
      parts.push(time, Buffer.from([sibling.node.length]), Buffer.from(sibling.node));
    }
    return Buffer.concat(parts);
  }

  test("is SHA-256 over domain, cluster key, key and sibling versions", () => {
    fc.assert(
      fc.property(key, versions, (text, siblings) => {
        const expected = createHash("sha256")
          .update(preimage(2, text, siblings))
          .digest("hex");
        expect(digestHex(hasher.recordDigest(text, siblings))).toBe(expected);
        const keyed = createHash("sha256")
          .update(preimage(1, text, []))
          .digest();
        const bucket = keyed.readUInt16BE();
        expect(hasher.bucketOf(text)).toBe(bucket);
        // Stores keep what they have marked, so these bits stay the same ones.
        expect(hasher.place(text)).toEqual({ bucket, mark: keyed.readInt32BE(8) });
      }),
    );
  });

  test("has room for the longest key and as many siblings as there may be", () => {
    const long = "€".repeat(341);
    const many = Array.from({ length: 1000 }, (_, i) => ({ time: i, node: `${"x".repeat(63)}~0000000000` }));
    const expected = createHash("sha256")
      .update(preimage(2, long, many))
      .digest("hex");
    expect(digestHex(new RecordHasher(hashing, clusterKey).recordDigest(long, many))).toBe(expected);
  });

  test("differs in another cluster, so that nobody outside can choose it", () => {
    const other = new RecordHasher(hashing, new Uint8Array(32).fill(8));
    const siblings = [{ time: 1, node: "a~0000000000" }];
    expect(digestHex(other.recordDigest("k", siblings))).not.toBe(
      digestHex(hasher.recordDigest("k", siblings)),
    );
    const keys = Array.from({ length: 100 }, (_, i) => `k${i}`);
    expect(keys.map((k) => other.bucketOf(k))).not.toEqual(keys.map((k) => hasher.bucketOf(k)));
  });
});

test("keys that look alike spread over the buckets as evenly as chance would have it", () => {
  const GROUPS = 256;
  const PER_GROUP = 100;
  const counts = new Array<number>(GROUPS).fill(0);
  for (let i = 0; i < GROUPS * PER_GROUP; i++) {
    const bucket = hasher.bucketOf(`config/service/${i}`);
    expect(bucket).toBeLessThan(BUCKET_COUNT);
    const group = Math.floor(bucket / (BUCKET_COUNT / GROUPS));
    counts[group] = (counts[group] ?? 0) + 1;
  }
  // Chi squared with 255 degrees of freedom: mean 255, deviation 22.6; five deviations on either side.
  const chiSquared = counts.reduce((sum, count) => sum + (count - PER_GROUP) ** 2 / PER_GROUP, 0);
  expect(chiSquared).toBeGreaterThan(142);
  expect(chiSquared).toBeLessThan(368);
});

describe("fingerprints", () => {
  // Digests near the edges of the modulus, so that carries and borrows run through all words.
  const edge = fc
    .array(fc.constantFrom(0x00, 0x01, 0x7f, 0x80, 0xff), {
      minLength: DIGEST_BYTES,
      maxLength: DIGEST_BYTES,
    })
    .map((bytes) => Uint8Array.from(bytes));
  const uniform = fc.uint8Array({ minLength: DIGEST_BYTES, maxLength: DIGEST_BYTES });
  const one = Uint8Array.from({ length: DIGEST_BYTES }, (_, i) => (i === 0 ? 1 : 0));
  const extreme = fc.constantFrom(one, new Uint8Array(DIGEST_BYTES).fill(0xff), new Uint8Array(DIGEST_BYTES));
  const digests = fc.array(fc.oneof(uniform, edge, extreme), { maxLength: 12 });
  const bucket = fc.nat(BUCKET_COUNT - 1);
  const fingerprints = new Fingerprints();

  const little = (bytes: Uint8Array) => BigInt(`0x${hex(bytes.toReversed()) || "0"}`);
  const state = (of: Fingerprints, at: number) => {
    const leaf = of.leafBytes(at);
    return {
      domain: leaf[0],
      sum: little(leaf.subarray(1, 1 + DIGEST_BYTES)),
      count: Number(little(leaf.subarray(1 + DIGEST_BYTES))),
    };
  };

  test("are the sum of the digests modulo 2^256 and their count, and empty again when all are taken out", () => {
    fc.assert(
      fc.property(bucket, digests, (at, all) => {
        for (const digest of all) fingerprints.add(at, textOf(digest));
        const sum = all.reduce((total, digest) => total + little(digest), 0n) % 2n ** 256n;
        expect(state(fingerprints, at)).toEqual({ domain: 3, sum, count: all.length });
        for (const digest of all.toReversed()) fingerprints.subtract(at, textOf(digest));
        expect(state(fingerprints, at)).toEqual({ domain: 3, sum: 0n, count: 0 });
      }),
      { numRuns: 300 },
    );
  });

  test("kept up write by write equal those rebuilt from the records, in any order, and go to pages and back", () => {
    const write = fc.record({ at: fc.nat(3), digest: uniform, replaces: fc.boolean() });
    fc.assert(
      fc.property(fc.array(write, { maxLength: 30 }), fc.infiniteStream(fc.nat()), (writes, order) => {
        const kept = new Fingerprints();
        const held: { at: number; digest: Uint8Array }[] = [];
        for (const { at, digest, replaces } of writes) {
          const old = replaces ? held.pop() : undefined;
          if (old !== undefined) kept.subtract(old.at, textOf(old.digest));
          kept.add(at, textOf(digest));
          held.push({ at, digest });
        }
        const shuffled = held
          .map((entry) => ({ entry, rank: order.next().value }))
          .sort((a, b) => a.rank - b.rank);
        const rebuilt = new Fingerprints();
        for (const { entry } of shuffled) rebuilt.add(entry.at, textOf(entry.digest));
        const restored = throughPages(kept);
        expect(rebuilt.differingFrom(kept)).toEqual([]);
        expect(restored.differingFrom(kept)).toEqual([]);
        expect(rebuilt.occupied()).toEqual([...new Set(held.map(({ at }) => at))].sort());
      }),
      { numRuns: 20 },
    );
  });

  test("differ in one bucket only, by sum or by count alone", () => {
    const [a, b] = [new Fingerprints(), new Fingerprints()];
    a.add(5, "\0".repeat(DIGEST_BYTES));
    expect([a.differingFrom(b), b.differingFrom(a)]).toEqual([[5], [5]]);
    b.add(5, "\u0001".repeat(DIGEST_BYTES));
    expect([a.differingFrom(b), b.differingFrom(a)]).toEqual([[5], [5]]);
    a.add(BUCKET_COUNT - 1, "\u0001".repeat(DIGEST_BYTES));
    b.add(0, "\u0001".repeat(DIGEST_BYTES));
    expect([a.differingFrom(b), b.differingFrom(a)]).toEqual([
      [0, 5, BUCKET_COUNT - 1],
      [0, 5, BUCKET_COUNT - 1],
    ]);
    expect([a.occupied(), b.occupied()]).toEqual([
      [5, BUCKET_COUNT - 1],
      [0, 5],
    ]);
  });

  test("pages and back keep every bucket, the last one included, and only pages that were used are there", () => {
    const original = new Fingerprints();
    const used = [0, 1, BUCKET_COUNT - 1];
    for (const at of used) original.add(at, textOf(new Uint8Array(DIGEST_BYTES).fill(at + 1)));
    const pages = Array.from({ length: BUCKET_PAGES }, (_, page) => page);
    expect(pages.filter((page) => original.hasPage(page))).toEqual([0, BUCKET_PAGES - 1]);
    const restored = throughPages(original);
    expect(restored.occupied()).toEqual(used);
    expect(restored.differingFrom(original)).toEqual([]);
  });
});

/** What was read of the pages that were written, from the middle of other bytes. */
function throughPages(original: Fingerprints): Fingerprints {
  const restored = new Fingerprints();
  for (let page = 0; page < BUCKET_PAGES; page++) {
    if (!original.hasPage(page)) continue;
    const bytes = new Uint8Array(FINGERPRINTS_PAGE_BYTES + 2).subarray(1);
    original.writePage(page, bytes, 1);
    expect(bytes[0]).toBe(0);
    restored.readPage(page, bytes, 1);
  }
  return restored;
}
