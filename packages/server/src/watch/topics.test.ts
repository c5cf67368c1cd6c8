import fc from "fast-check";
import { expect, it } from "vitest";
import type { WatchedChange } from "./changes.ts";
import { type Reader, Topics } from "./topics.ts";

const text = fc.string({ unit: fc.constantFrom("a", "b", "/"), maxLength: 4 });
const reader = (): Reader => ({ deliver: () => undefined, tick: () => undefined, end: () => undefined });

it("tells each change to those whose prefix it has, and to nobody else", () => {
  fc.assert(
    fc.property(fc.array(text), fc.array(text), fc.nat(), (prefixes, keys, gone) => {
      const topics = new Topics();
      const readers = prefixes.map((prefix) => ({ prefix, reader: reader() }));
      const leaves = readers.map((one) => topics.join(one.prefix, one.reader));
      const [left] = readers.splice(gone % Math.max(1, readers.length), 1);
      leaves[prefixes.length === 0 ? 0 : gone % prefixes.length]?.();
      for (const key of keys) topics.add({ key } as WatchedChange);
      const told = new Map<Reader, string[]>();
      for (const taken of topics.take()) {
        for (const one of taken.readers)
          told.set(
            one,
            taken.changes.map(({ key }) => key),
          );
      }
      for (const one of readers) {
        expect(told.get(one.reader) ?? []).toEqual(keys.filter((key) => key.startsWith(one.prefix)));
      }
      if (left !== undefined) expect(told.has(left.reader)).toBe(false);
      expect([topics.pending, topics.take()]).toEqual([0, []]);
    }),
  );
});
