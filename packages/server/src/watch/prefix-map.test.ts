import fc from "fast-check";
import { expect, it } from "vitest";
import { PrefixMap } from "./prefix-map.ts";

const text = fc.string({ unit: fc.constantFrom("a", "b", "/"), maxLength: 4 });

it("finds the prefixes that a key has, and no others", () => {
  fc.assert(
    fc.property(fc.array(text), fc.array(text), fc.array(text), (prefixes, gone, keys) => {
      const map = new PrefixMap<string>();
      for (const prefix of prefixes) map.set(prefix, prefix);
      for (const prefix of gone) map.delete(prefix);
      const left = [...new Set(prefixes)].filter((prefix) => !gone.includes(prefix));
      expect(map.values().sort()).toEqual(left.sort());
      for (const key of keys) {
        expect(map.matching(key).sort()).toEqual(left.filter((prefix) => key.startsWith(prefix)));
      }
    }),
  );
});
