import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { HLC_TIME_MAX } from "../clock.ts";
import {
  BUCKET_ENTRY_BYTES,
  type BucketEntry,
  compareBucket,
  decodeBucketEntries,
  encodeBucketEntries,
} from "./bucket-entries.ts";

const UNIT = 8192;

const hex = (digits: number) =>
  fc
    .array(fc.constantFrom(..."0123456789abcdef"), { minLength: digits, maxLength: digits })
    .map((d) => d.join(""));
const entry = fc.record({
  keyHash: hex(12),
  digest: hex(16),
  time: fc.integer({ min: 0, max: HLC_TIME_MAX }),
});

/** Few key hashes, digests and times, so that they collide all the time; no record is listed twice. */
const crowded = fc.uniqueArray(
  fc.record({
    keyHash: fc.constantFrom("000000000001", "000000000002", "000000000003"),
    digest: fc.constantFrom("000000000000000a", "000000000000000b", "000000000000000c", "000000000000000d"),
    time: fc.constantFrom(UNIT, UNIT + 1, 3 * UNIT),
  }),
  { selector: ({ keyHash, digest }) => keyHash + digest, maxLength: 8 },
);

const identity = ({ keyHash, digest }: BucketEntry) => `${keyHash} ${digest}`;
const lackedBy = (there: readonly BucketEntry[], here: readonly BucketEntry[]) => {
  const held = new Set(here.map(identity));
  return there.filter((listed) => !held.has(identity(listed)));
};
const under = (keyHash: string, entries: readonly BucketEntry[]) =>
  entries.filter((listed) => listed.keyHash === keyHash);

describe("encoding", () => {
  test("entries come back as they were, but for the time, which is rounded down to 4 ms", () => {
    fc.assert(
      fc.property(fc.array(entry, { maxLength: 20 }), (entries) => {
        const bytes = encodeBucketEntries(entries);
        expect(bytes.length).toBe(entries.length * BUCKET_ENTRY_BYTES);
        expect(decodeBucketEntries(bytes)).toEqual(
          entries.map((plain) => ({ ...plain, time: Math.floor(plain.time / UNIT) * UNIT })),
        );
      }),
    );
  });

  test("the latest time of all fits", () => {
    const latest = { keyHash: "ffffffffffff", digest: "ffffffffffffffff", time: HLC_TIME_MAX };
    const [decoded] = decodeBucketEntries(encodeBucketEntries([latest])) ?? [];
    expect(HLC_TIME_MAX - (decoded?.time ?? 0)).toBe(UNIT - 1);
  });

  test("a length that is no whole number of entries is refused", () => {
    fc.assert(
      fc.property(fc.integer({ min: 0, max: 200 }), (length) => {
        const decoded = decodeBucketEntries(new Uint8Array(length));
        if (length % BUCKET_ENTRY_BYTES === 0) expect(decoded).toHaveLength(length / BUCKET_ENTRY_BYTES);
        else expect(decoded).toBeUndefined();
      }),
    );
  });
});

describe("comparing", () => {
  test("equal buckets need nothing, in whatever order they are listed", () => {
    fc.assert(
      fc.property(crowded, (entries) => {
        expect(compareBucket(entries, [...entries].reverse())).toEqual({ push: [], want: [] });
      }),
    );
  });

  test("whatever one side lacks is pushed or wanted, and nothing else is", () => {
    fc.assert(
      fc.property(crowded, crowded, (ours, theirs) => {
        const { push, want } = compareBucket(ours, theirs);
        expect(new Set(push).size).toBe(push.length);
        expect(new Set(want).size).toBe(want.length);
        const lackedThere = new Set(lackedBy(ours, theirs).map(identity));
        const lackedHere = lackedBy(theirs, ours);
        const pushed = push.flatMap((position) => ours[position] ?? []);
        for (const sent of pushed) expect(lackedThere).toContain(identity(sent));
        for (const keyHash of want) expect(under(keyHash, lackedHere)).not.toEqual([]);
        for (const keyHash of new Set([...ours, ...theirs].map((listed) => listed.keyHash))) {
          const sends = under(keyHash, pushed).length;
          const lacking = { there: under(keyHash, lackedBy(ours, theirs)), here: under(keyHash, lackedHere) };
          if (under(keyHash, ours).length === 1 && under(keyHash, theirs).length === 1) {
            // Taken for one key: one transfer settles it, and only equal times need two.
            expect(sends + Number(want.includes(keyHash)) > 0).toBe(lacking.there.length > 0);
          } else {
            expect(sends).toBe(lacking.there.length);
            expect(want.includes(keyHash)).toBe(lacking.here.length > 0);
          }
        }
      }),
    );
  });

  test("both sides find the same plan, mirrored", () => {
    fc.assert(
      fc.property(crowded, crowded, (ours, theirs) => {
        const here = compareBucket(ours, theirs);
        const there = compareBucket(theirs, ours);
        const hashes = (positions: readonly number[], entries: readonly BucketEntry[]) =>
          [...new Set(positions.map((position) => entries[position]?.keyHash))].sort();
        expect(hashes(here.push, ours)).toEqual([...there.want].sort());
        expect(hashes(there.push, theirs)).toEqual([...here.want].sort());
      }),
    );
  });

  test("of one key in two versions the newer side sends, and both when a unit of time holds both", () => {
    const version = (time: number, digest: string): BucketEntry => ({
      keyHash: "00000000000a",
      digest,
      time,
    });
    const old = version(5 * UNIT, "0000000000000001");
    const young = version(6 * UNIT, "0000000000000002");
    const younger = version(6 * UNIT + 9, "0000000000000003");
    expect(compareBucket([young], [old])).toEqual({ push: [0], want: [] });
    expect(compareBucket([old], [young])).toEqual({ push: [], want: ["00000000000a"] });
    expect(compareBucket([young], [younger])).toEqual({ push: [0], want: ["00000000000a"] });
  });

  test("a decoded time and an exact one of the same unit do not make a side look newer", () => {
    const exact: BucketEntry = { keyHash: "00000000000a", digest: "0000000000000001", time: 6 * UNIT + 9 };
    const other: BucketEntry = { ...exact, digest: "0000000000000002", time: 6 * UNIT + 4000 };
    const decoded = decodeBucketEntries(encodeBucketEntries([other])) ?? [];
    expect(compareBucket([exact], decoded)).toEqual({ push: [0], want: ["00000000000a"] });
  });

  test("two keys that share a hash and are taken for one are told apart by the next comparison", () => {
    const a: BucketEntry = { keyHash: "00000000000a", digest: "0000000000000001", time: 9 * UNIT };
    const b: BucketEntry = { keyHash: "00000000000a", digest: "0000000000000002", time: 3 * UNIT };
    expect(compareBucket([a], [b])).toEqual({ push: [0], want: [] });
    expect(compareBucket([a], [b, a])).toEqual({ push: [], want: ["00000000000a"] });
  });
});
