import { BUCKET_COUNT, BUCKET_PAGES, RecordHasher } from "@hearsay/core";
import fc from "fast-check";
import { expect, it } from "vitest";
import { hashing } from "./backend.contract.ts";
import { PRESENCE_PAGE_BYTES, Presence } from "./presence.ts";

const hasher = new RecordHasher(hashing, new Uint8Array(32).fill(7));

it("never says no to a key that was added, also after it went through pages", () => {
  const place = fc.record({
    bucket: fc.integer({ min: 0, max: BUCKET_COUNT - 1 }),
    mark: fc.integer(),
  });
  fc.assert(
    fc.property(fc.array(place, { maxLength: 50 }), (places) => {
      const presence = new Presence();
      for (const added of places) presence.add(added);
      const restored = new Presence();
      for (let page = 0; page < BUCKET_PAGES; page++) {
        if (!presence.hasPage(page)) continue;
        const bytes = new Uint8Array(PRESENCE_PAGE_BYTES + 1);
        presence.writePage(page, bytes, 1);
        restored.readPage(page, bytes, 1);
      }
      for (const added of places) {
        expect(presence.mayHold(added)).toBe(true);
        expect(restored.mayHold(added)).toBe(true);
      }
    }),
    { numRuns: 20 },
  );
});

it("says no to most other keys when there are sixteen to a bucket, as with a million keys", () => {
  const presence = new Presence();
  const bucket = 1234;
  for (let i = 0; i < 16; i++) presence.add({ ...hasher.place(`held/${i}`), bucket });
  let maybe = 0;
  for (let i = 0; i < 2000; i++) if (presence.mayHold({ ...hasher.place(`other/${i}`), bucket })) maybe += 1;
  expect(maybe).toBeLessThan(40);
});

it("places a key in the bucket it is counted in", () => {
  fc.assert(
    fc.property(fc.string({ maxLength: 20 }), (key) => {
      expect(hasher.place(key).bucket).toBe(hasher.bucketOf(key));
    }),
  );
});
