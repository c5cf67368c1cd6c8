import { BUCKET_COUNT, type KeyPlace } from "@hearsay/core";
import fc from "fast-check";
import { expect, it } from "vitest";
import { type Checkpoint, encodeCheckpoint, parseCheckpoint } from "./checkpoint.ts";
import { Presence } from "./presence.ts";
import { Tally } from "./tally.ts";

const place = fc.record({ bucket: fc.integer({ min: 0, max: BUCKET_COUNT - 1 }), mark: fc.integer() });
const digest = fc.string({ unit: fc.constantFrom("\u0000", "\u00ff", "a"), minLength: 32, maxLength: 32 });

function checkpointOf(entries: readonly { readonly at: KeyPlace; readonly digest: string }[]): Checkpoint {
  const tally = Tally.empty();
  const presence = new Presence();
  for (const { at, digest } of entries) {
    presence.add(at);
    tally.add(at.bucket, { summary: SUMMARY, digest });
  }
  return { sequence: 7, tally, presence };
}

const SUMMARY = { versions: [], tombstone: true, bytes: 10, purgeableFrom: 5 };

it("says what was known when it was written", () => {
  const entries = fc.array(fc.record({ at: place, digest }), { maxLength: 40 });
  fc.assert(
    fc.property(entries, (held) => {
      const checkpoint = checkpointOf(held);
      const parsed = parseCheckpoint(encodeCheckpoint(checkpoint));
      expect(parsed?.sequence).toBe(7);
      expect(parsed?.tally.counters).toEqual(checkpoint.tally.counters);
      expect(parsed?.tally.fingerprints.differingFrom(checkpoint.tally.fingerprints)).toEqual([]);
      for (const { at } of held) expect(parsed?.presence.mayHold(at)).toBe(true);
    }),
    { numRuns: 50 },
  );
});

it("takes little where there is little, and is no larger than all that is known where there is much", () => {
  const everywhere = Array.from({ length: 1024 }, (_, page) => ({
    at: { bucket: 64 * page, mark: page },
    digest: "d".repeat(32),
  }));
  expect(encodeCheckpoint(checkpointOf([])).length).toBe(168);
  expect(encodeCheckpoint(checkpointOf(everywhere.slice(0, 10))).length).toBe(168 + 10 * 4352);
  expect(encodeCheckpoint(checkpointOf(everywhere)).length).toBe(168 + 1024 * 4352);
});

it("is none where it is cut short, goes on, or was written whole by an earlier build", () => {
  const encoded = encodeCheckpoint(checkpointOf([{ at: { bucket: 3, mark: 1 }, digest: "d".repeat(32) }]));
  const longer = new Uint8Array(encoded.length + 1);
  longer.set(encoded);
  for (const other of [encoded.subarray(1), encoded.subarray(0, -1), encoded.subarray(0, 40), longer])
    expect(parseCheckpoint(other)).toBeUndefined();
  const whole = 5 * 8 + 32 * BUCKET_COUNT + 36 * BUCKET_COUNT;
  for (const fill of [0, 1, 0xff]) expect(parseCheckpoint(new Uint8Array(whole).fill(fill))).toBeUndefined();
});
