import fc from "fast-check";
import { expect, it } from "vitest";
import { TransientMap } from "./transient-map.ts";

const step = fc.record({
  does: fc.constantFrom("set", "delete"),
  key: fc.integer({ min: 0, max: 3 }),
  value: fc.nat(),
});

it("holds what a map holds, in its order, however often it is emptied", () => {
  fc.assert(
    fc.property(fc.array(step, { maxLength: 40 }), (steps) => {
      const transient = new TransientMap<number, number>();
      const map = new Map<number, number>();
      for (const { does, key, value } of steps) {
        if (does === "delete") expect(transient.delete(key)).toBe(map.delete(key));
        else {
          transient.set(key, value);
          map.set(key, value);
        }
        expect(transient.size).toBe(map.size);
        expect(transient.get(key)).toBe(map.get(key));
        expect([...transient.values()]).toEqual([...map.values()]);
      }
    }),
  );
});

it("goes on to the entry behind one that is deleted on the way", () => {
  const transient = new TransientMap<number, number>();
  for (const value of [1, 2, 3]) transient.set(value, value);
  const seen: number[] = [];
  for (const value of transient.values()) {
    seen.push(value);
    transient.delete(value);
  }
  expect(seen).toEqual([1, 2, 3]);
  expect(transient.size).toBe(0);
});
