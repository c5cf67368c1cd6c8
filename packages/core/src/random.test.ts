import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { SeededRandom, sampled } from "./random.ts";

describe("sampled", () => {
  test("gives as many distinct items as there are, up to the count", () => {
    fc.assert(
      fc.property(fc.nat(40), fc.nat(40), fc.integer(), (length, count, seed) => {
        const items = Array.from({ length }, (_, i) => i);
        const drawn = sampled(new SeededRandom(seed), items, count);
        expect(drawn).toHaveLength(Math.min(length, count));
        expect(new Set(drawn).size).toBe(drawn.length);
        for (const item of drawn) expect(items).toContain(item);
      }),
    );
  });

  test("every order of every choice is equally likely", () => {
    const random = new SeededRandom(1);
    const times = new Map<string, number>();
    for (let i = 0; i < 24_000; i++) {
      const drawn = sampled(random, ["a", "b", "c", "d"], 3).join("");
      times.set(drawn, (times.get(drawn) ?? 0) + 1);
    }
    expect(times.size).toBe(24);
    // Each 1,000 times; 160 is five standard deviations.
    for (const count of times.values()) expect(Math.abs(count - 1000)).toBeLessThan(160);
  });
});
