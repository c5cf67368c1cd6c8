import { describe, expect, test } from "vitest";
import { binomialBand, OUTSIDE, unreachedChance } from "./chance.ts";

/** How likely each count is, one trial after the other. */
function likelihoods(trials: number, chance: number): number[] {
  let counts = [1];
  for (let trial = 0; trial < trials; trial++)
    counts = [...counts, 0].map((same, i) => same * (1 - chance) + (counts[i - 1] ?? 0) * chance);
  return counts;
}

function sumOf(counts: readonly number[]): number {
  return counts.reduce((sum, each) => sum + each, 0);
}

describe("a band of counts", () => {
  test.each([
    [1, 0.01],
    [9, 0.02],
    [98, 0.2],
    [180, 0.5],
    [40, 0.9],
    [1990, 0.05],
  ])("of %i trials at %f leaves out one in 2,000, and no other count could be left out", (trials, chance) => {
    const [least, most] = binomialBand(trials, chance);
    const likely = likelihoods(trials, chance);
    expect(sumOf(likely.slice(0, least))).toBeLessThanOrEqual(OUTSIDE / 2);
    expect(sumOf(likely.slice(0, least + 1))).toBeGreaterThan(OUTSIDE / 2);
    expect(sumOf(likely.slice(most + 1))).toBeLessThanOrEqual(OUTSIDE / 2);
    expect(sumOf(likely.slice(most))).toBeGreaterThan(OUTSIDE / 2);
  });

  test("is 3.5 standard deviations to either side where there are many, and nothing where nothing is lost", () => {
    const [least, most] = binomialBand(10_000_000, 0.3);
    const deviation = Math.sqrt(10_000_000 * 0.3 * 0.7);
    expect((3_000_000 - least) / deviation).toBeCloseTo(3.48, 2);
    expect((most - 3_000_000) / deviation).toBeCloseTo(3.48, 2);
    expect(binomialBand(500, 0)).toEqual([0, 0]);
  });
});

test("that somebody is told by nobody is bounded from above, and impossible where nothing is lost", () => {
  // Two nodes: the one message is lost. Three: both of the writer's are, or the writer's and the other's to one of the two.
  expect(unreachedChance(2, 0.3)).toBeCloseTo(0.3, 12);
  expect(unreachedChance(3, 0.1)).toBeCloseTo(0.1 ** 2 + 2 * 0.1 ** 2, 12);
  expect(unreachedChance(200, 0.05)).toBeLessThan(1e-200);
  expect(unreachedChance(10_000, 0.9)).toBeLessThan(1e-12);
  expect(unreachedChance(50, 0)).toBe(0);
});
