import fc from "fast-check";
import { expect, test } from "vitest";
import { HotList, HotRumor } from "./hot-list.ts";
import { rumorOverheadBytes } from "./messages.ts";

function rumor(key: string, time: number): HotRumor {
  const versions = [{ time, node: "a~0000000000" }];
  return new HotRumor({ key, versions, sizeBytes: 10, hops: 0, mailed: false }, "peer", 0);
}

test("holds one rumor a key, stays in both bounds, counts its bytes, and drops the oldest only", () => {
  const key = fc.string({ minLength: 1, maxLength: 200 });
  const bounds = fc.record({
    entries: fc.integer({ min: 1, max: 8 }),
    bytes: fc.integer({ min: 100, max: 4000 }),
  });
  fc.assert(
    fc.property(fc.array(key, { maxLength: 60 }), bounds, (keys, { entries, bytes }) => {
      const list = new HotList(entries, bytes);
      const expected = new Map<string, HotRumor>();
      keys.forEach((added, time) => {
        const hot = rumor(added, time);
        expected.delete(added);
        expected.set(added, hot);
        for (const dropped of list.add(hot)) {
          expect([...expected.values()][0]).toBe(dropped);
          expect(dropped.alive).toBe(false);
          expected.delete(dropped.key);
        }
        expect([...list.values()]).toEqual([...expected.values()]);
        expect(list.size).toBeLessThanOrEqual(entries);
        expect(list.bytes).toBeLessThanOrEqual(bytes);
        expect(list.bytes).toBe([...list.values()].reduce((sum, held) => sum + rumorOverheadBytes(held), 0));
      });
    }),
  );
});

test("a rumor that was replaced cannot take its successor off the list", () => {
  const list = new HotList(10, 10_000);
  const older = rumor("a", 1);
  const newer = rumor("a", 2);
  list.add(older);
  list.add(newer);
  list.delete(older);
  expect(list.get("a")).toBe(newer);
});
