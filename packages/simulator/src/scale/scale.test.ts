import { describe, expect, test } from "vitest";
import { formatGrowth, growthOf } from "./growth.ts";
import { growthsOf, runScale } from "./scale.ts";

const SIZES = [10, 100, 300, 1000, 10_000];

const SIZES_OF_SIX = [100, 300, 1000, 3000, 10_000, 100_000];

describe("the fit", () => {
  test.each([
    ["constant", () => 22, 0],
    ["log2 n", (n: number) => 3 + 2 * Math.log2(n), 2],
    ["n", (n: number) => 40 + 0.5 * n, 0.5],
  ] as const)("tells %s from the others", (shape, curve, slope) => {
    const growth = growthOf(SIZES.map((nodes) => ({ nodes, value: curve(nodes) })));
    expect(growth?.shape).toBe(shape);
    expect(growth?.slope).toBeCloseTo(slope, 6);
  });

  const pointsOf = (sizes: readonly number[], values: readonly number[]) =>
    sizes.map((nodes, i) => ({ nodes, value: values[i] ?? 0 }));

  test.each([
    ["three points, which lie on a curve by chance", [100, 200, 400], [35.9, 42.8, 53.8]],
    ["small whole numbers that do", [100, 200, 400], [6, 7, 9]],
    ["one point that sticks out", [100, 200, 400], [0, 0, 1e-4]],
    ["one that sticks out at the end of six", SIZES_OF_SIX, [0, 0, 0, 0, 1e-4, 0]],
    ["points that go up and down", SIZES_OF_SIX, [50, 90, 60, 95, 70, 80]],
    [
      "sizes so near that both curves fit",
      [100, 110, 120, 130, 140, 150],
      [20, 22.3, 23.8, 26.4, 27.7, 30.2],
    ],
    ["the same size again and again", [100, 100, 100, 100, 400], [10, 10, 10, 10, 40]],
  ])("says of %s that they are too few to tell", (_, sizes, values) => {
    const growth = growthOf(pointsOf(sizes, values));
    expect([growth, formatGrowth(growth)]).toEqual([undefined, "too few to tell"]);
  });

  test("tells a slope through the noise of six points", () => {
    const growth = growthOf(pointsOf(SIZES_OF_SIX, [47, 58, 76, 91, 85, 112]));
    expect(growth?.shape).toBe("log2 n");
    expect(formatGrowth(growth)).toBe("8.79 + 6.28 log2 n");
  });

  test("says nothing of two points, through which any curve goes", () => {
    expect(
      growthOf([
        { nodes: 1, value: 1 },
        { nodes: 2, value: 2 },
      ]),
    ).toBeUndefined();
  });
});

describe("at scale", () => {
  const figure = (of: ReturnType<typeof runScale>, name: string): number =>
    of.measures.find((measure) => measure.name === name)?.value ?? Number.NaN;

  test("a rumor takes a few rounds more among more nodes, and the same bytes a node", () => {
    const small = runScale("rumors", 50);
    const large = runScale("rumors", 500);
    const rounds = "rounds until all know, synchronous";
    expect(figure(large, rounds)).toBeGreaterThan(figure(small, rounds));
    expect(figure(large, rounds)).toBeLessThan(figure(small, rounds) + 4);
    const bytes = "bytes a node and write";
    expect(figure(large, bytes) / figure(small, bytes)).toBeCloseTo(1, 0);
    expect(figure(large, "share left to anti-entropy")).toBeLessThan(1e-3);
  });

  test("members send two messages a second however many they are, and all learn of a death", () => {
    for (const nodes of [30, 120]) {
      const run = runScale("swim", nodes);
      expect(figure(run, "messages a node and second")).toBeCloseTo(2.05, 1);
      expect(figure(run, "share that holds it dead")).toBe(1);
    }
  });

  test("the watermark follows within seconds", () => {
    const run = runScale("watermark", 20);
    expect(figure(run, "s the watermark lags, most")).toBeLessThan(15);
    expect(figure(run, "s the watermark lags, mean")).toBeGreaterThan(1);
  });

  test("how each figure grows is fitted from the whole runs, where there are three", () => {
    const runs = [10, 20, 40].map((nodes) => runScale("swim", nodes));
    expect(growthsOf(runs).get("messages a node and second")?.shape).toBe("constant");
  });
});
