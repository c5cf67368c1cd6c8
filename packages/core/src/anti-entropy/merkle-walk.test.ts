import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { BUCKET_COUNT, type Digest, Fingerprints, type Hashing, RecordHasher } from "../digest.ts";
import type { Version } from "../version.ts";
import type { BucketEntry } from "./bucket-entries.ts";
import { FullTree, reconcile, replyBytes, sha256 } from "./full-tree.contract.ts";
import { WALK_MAX_REQUESTS } from "./merkle-walk.ts";

const hex = (bytes: Uint8Array) => Buffer.from(bytes).toString("hex");
const latin1 = (bytes: Uint8Array) => Buffer.from(bytes).toString("latin1");
const hashing: Hashing = {
  sha256,
  sha256Hex: (input) => hex(sha256(typeof input === "string" ? Buffer.from(input) : input)),
  sha256Text: (bytes) => latin1(sha256(bytes)),
  crc32: () => 0,
};
const hasher = new RecordHasher(hashing, new Uint8Array(32).fill(7));
const EMPTY = FullTree.over(new Fingerprints());

/** Real digests, fingerprints and tree of a set of records. */
class Replica {
  readonly tree = EMPTY.clone();
  readonly #fingerprints = new Fingerprints();
  readonly #entries = new Map<number, Map<string, BucketEntry & { readonly whole: Digest }>>();
  readonly #mask: number;

  /** @param mask fewer bits make fewer and fuller buckets */
  constructor(mask: number) {
    this.#mask = mask;
  }

  list(bucket: number): readonly BucketEntry[] {
    return [...(this.#entries.get(bucket)?.values() ?? [])];
  }

  put(key: string, versions: readonly [Version, ...Version[]]): void {
    const bucket = hasher.bucketOf(key) & this.#mask;
    const whole = hasher.recordDigest(key, versions);
    const listed = this.#entries.get(bucket) ?? new Map();
    const before = listed.get(key);
    if (before !== undefined) this.#fingerprints.subtract(bucket, before.whole);
    this.#fingerprints.add(bucket, whole);
    const entry = {
      keyHash: keyHash(key),
      digest: Buffer.from(whole, "latin1").toString("hex", 0, 8),
      time: versions[0].time,
      whole,
    };
    this.#entries.set(bucket, listed.set(key, entry));
    this.tree.update(this.#fingerprints, [bucket]);
  }
}

const keyHash = (key: string) => hex(sha256(Buffer.from(`hash of ${key}`))).slice(0, 12);
const at = (ms: number, node = "a"): Version => ({ time: ms * 2048, node: `${node}~0000000000` });

const KINDS = ["same", "here", "there", "newer here", "newer there", "concurrent"] as const;
type Kind = (typeof KINDS)[number];
const keys = (max: number) =>
  fc.uniqueArray(fc.tuple(fc.string({ minLength: 1, maxLength: 8 }), fc.constantFrom(...KINDS)), {
    selector: ([key]) => key,
    maxLength: max,
  });
const masks = fc.constantFrom(0xffff, 0xf00f, 0x0ff0, 0x0013);

function place([key, kind]: readonly [string, Kind], here: Replica, there: Replica): void {
  const [old, young] = [at(1000), at(2000)];
  if (kind !== "there") here.put(key, [kind === "newer here" ? young : old]);
  if (kind === "concurrent") there.put(key, [at(1000, "b")]);
  else if (kind !== "here") there.put(key, [kind === "newer there" ? young : old]);
}

function hashesOf(records: readonly (readonly [string, Kind])[], kinds: readonly Kind[]): string[] {
  return records.flatMap(([key, kind]) => (kinds.includes(kind) ? keyHash(key) : [])).sort();
}

const PUSHED: readonly Kind[] = ["here", "newer here", "concurrent"];
const WANTED: readonly Kind[] = ["there", "newer there", "concurrent"];
const sent = (push: readonly BucketEntry[]) => push.map((entry) => entry.keyHash).sort();

describe("two replicas", () => {
  test("find exactly what differs, in both directions, within four round trips", async () => {
    await fc.assert(
      fc.asyncProperty(keys(60), masks, async (records, mask) => {
        const [here, there] = [new Replica(mask), new Replica(mask)];
        for (const record of records) place(record, here, there);
        const { push, want, roundTrips } = await reconcile(here, there, 1 << 20);
        expect(sent(push)).toEqual(hashesOf(records, PUSHED));
        expect([...want].sort()).toEqual(hashesOf(records, WANTED));
        expect(roundTrips).toBe(push.length + want.length === 0 ? 1 : 4);
      }),
      { numRuns: 60 },
    );
  });

  test("that are equal exchange their roots and nothing else", async () => {
    const [here, there] = [new Replica(0xffff), new Replica(0xffff)];
    for (let i = 0; i < 50; i++) place([`key ${i}`, "same"], here, there);
    const { roundTrips, bytes, replies } = await reconcile(here, there, 1 << 20);
    expect({ roundTrips, replies: replies.length }).toEqual({ roundTrips: 1, replies: 0 });
    expect(bytes).toBeLessThan(300);
  });

  test("find the same under any byte budget, with answers that keep to it", async () => {
    await fc.assert(
      fc.asyncProperty(
        keys(60),
        masks,
        fc.integer({ min: 0, max: 4000 }),
        async (records, mask, maxBytes) => {
          const [here, there] = [new Replica(mask), new Replica(mask)];
          for (const record of records) place(record, here, there);
          const { push, want, replies } = await reconcile(here, there, maxBytes);
          expect(sent(push)).toEqual(hashesOf(records, PUSHED));
          expect([...want].sort()).toEqual(hashesOf(records, WANTED));
          expect(replies.length).toBeLessThanOrEqual(WALK_MAX_REQUESTS);
          for (const reply of replies) {
            const parents = [
              ...reply.nodes,
              ...reply.buckets.map(({ bucket }) => ({ level: 4, index: bucket })),
            ];
            const answered = new Set(parents.map(({ level, index }) => `${level} ${Math.floor(index / 16)}`));
            const whole = { ...reply, leftOut: [] };
            if (answered.size > 1) expect(replyBytes(whole)).toBeLessThanOrEqual(maxBytes);
          }
        },
      ),
      { numRuns: 40 },
    );
  });

  test("find the same whenever answers run out of time, and ask for at most twice as much as was answered last", async () => {
    await fc.assert(
      fc.asyncProperty(keys(60), masks, fc.integer({ min: 1, max: 20 }), async (records, mask, patience) => {
        const [here, there] = [new Replica(mask), new Replica(mask)];
        for (const record of records) place(record, here, there);
        let answered = 0;
        const isOver = (): boolean => {
          answered += 1;
          return answered % patience === 0;
        };
        const { push, want, replies, asked } = await reconcile(here, there, 1 << 20, undefined, isOver);
        expect(sent(push)).toEqual(hashesOf(records, PUSHED));
        expect([...want].sort()).toEqual(hashesOf(records, WANTED));
        for (const [i, { leftOut }] of replies.slice(0, -1).entries()) {
          const settled = (asked[i] ?? 0) - leftOut.length;
          if (leftOut.length > 0) expect(asked[i + 1]).toBeLessThanOrEqual(2 * settled);
        }
      }),
      { numRuns: 40 },
    );
  });

  test("find what differed at the start although both change under way", async () => {
    await fc.assert(
      fc.asyncProperty(
        keys(30),
        masks,
        fc.integer({ min: 0, max: 2000 }),
        async (records, mask, maxBytes) => {
          const [here, there] = [new Replica(mask), new Replica(mask)];
          for (const record of records) place(record, here, there);
          let changes = 0;
          const { push, want } = await reconcile(here, there, maxBytes, () => {
            changes += 1;
            (changes % 2 === 0 ? here : there).put(`\u0000later ${changes % 5}`, [at(3000 + changes)]);
          });
          expect(sent(push)).toEqual(expect.arrayContaining(hashesOf(records, PUSHED)));
          expect(want).toEqual(expect.arrayContaining(hashesOf(records, WANTED)));
        },
      ),
      { numRuns: 40 },
    );
  });

  test("of which one is empty get through buckets without entries by the same budget", async () => {
    const [here, there] = [new Replica(0xffff), new Replica(0xffff)];
    for (let i = 0; i < 400; i++) place([`key ${i}`, "here"], here, there);
    const { push, want, replies } = await reconcile(here, there, 500);
    expect({ push: push.length, want }).toEqual({ push: 400, want: [] });
    for (const reply of replies) expect(reply.buckets.length).toBeLessThanOrEqual(50);
  });
});

test("every bucket of a full walk is listed once", async () => {
  const [here, there] = [new Fingerprints(), new Fingerprints()];
  const all = Array.from({ length: BUCKET_COUNT }, (_, bucket) => bucket);
  for (const bucket of all) here.add(bucket, latin1(sha256(Uint8Array.of(bucket >> 8, bucket & 255))));
  const list = () => [];
  const { replies } = await reconcile(
    { tree: FullTree.over(here), list },
    { tree: FullTree.over(there), list },
    200_000,
  );
  const listed = replies.flatMap((reply) => reply.buckets.map(({ bucket }) => bucket)).sort((a, b) => a - b);
  expect(listed).toEqual(all);
});
