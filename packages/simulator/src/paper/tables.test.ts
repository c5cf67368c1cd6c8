/** The published figures with fewer runs than the command makes; the bands widen with that. */
import { describe, expect, test } from "vitest";
import { AS_PUBLISHED, bandAround, type Figure, isWithin, type PaperTable } from "./figure.ts";
import { infectionCurves, infectionSvg } from "./infection-plot.ts";
import { runTable } from "./tables.ts";

function outside({ figures }: PaperTable): readonly Figure[] {
  return figures.filter((figure) => !isWithin(figure));
}

describe("the project's own protocol code, in the papers' settings", () => {
  test.each([
    ["demers", 13 * 3],
    ["swim", 3 + 1 + 3],
    ["memberlist", 3 + 5 + 4],
    ["phi", 7],
  ] as const)("reproduces %s", (name, figures) => {
    const runs = name === "demers" ? 2 : 60;
    const table = runTable(name, { ...AS_PUBLISHED, runs });
    expect(table.figures.filter(({ band }) => band !== undefined)).toHaveLength(figures);
    expect(outside(table)).toEqual([]);
  });

  test.each([
    ["rounds", 300],
    ["articles", 60],
  ] as const)("reproduces %s over %i nodes", (name, nodes) => {
    const table = runTable(name, { ...AS_PUBLISHED, nodes, runs: 5 });
    expect(table.figures.some(({ band }) => band !== undefined)).toBe(true);
    expect(outside(table)).toEqual([]);
  });

  test("loses with point-to-point mail what links lose and a failed writer has not sent, as the paper says", () => {
    const table = runTable("baselines", { ...AS_PUBLISHED, nodes: 60, runs: 10 });
    expect(table.figures.filter(({ band }) => band !== undefined)).toHaveLength(6);
    expect(outside(table)).toEqual([]);
  });

  test.each([
    [20, 0.05, 20],
    [50, 0.2, 2],
    [10, 0.5, 20],
    [25, 0.1, 3],
    [2, 0.9, 1],
  ])(
    "does so among %i nodes at a loss of %f in %i runs too, where chance and odd numbers have more to say",
    (nodes, loss, runs) => {
      const table = runTable("baselines", { ...AS_PUBLISHED, nodes, loss, runs });
      expect(outside(table)).toEqual([]);
    },
  );

  test("has a band no wider than so many runs may stray", () => {
    const widthOf = (runs: number): number => {
      const { figures } = runTable("baselines", { ...AS_PUBLISHED, nodes: 50, loss: 0.2, runs });
      const lossy = figures.find(({ published }) => published === "0.2 of the others");
      const [least, most] = lossy?.band ?? [0, 0];
      return most - least;
    };
    expect(widthOf(2)).toBeCloseTo((2 * 3.5 * Math.sqrt(49 * 0.2 * 0.8)) / 50 / Math.sqrt(2), 1);
    expect(widthOf(40)).toBeLessThan(0.07);
  });
});

test("beyond the papers nothing is published, and what is measured follows the setting", () => {
  const measured = (loss: number): number =>
    runTable("demers", { ...AS_PUBLISHED, nodes: 200, k: 2, loss, runs: 2 }).figures[2]?.measured ?? 0;
  const { figures } = runTable("demers", { ...AS_PUBLISHED, nodes: 200, k: 2, runs: 1 });
  expect(figures).toHaveLength(3 * 3);
  expect(figures.every(({ band, published }) => band === undefined && published === undefined)).toBe(true);
  expect(measured(0.4)).toBeGreaterThan(measured(0));
});

test("a band is half of the last printed digit and what a mean of so many runs may stray", () => {
  expect(bandAround("1.7", 0, 1)).toEqual([1.65, 1.75]);
  const [least, most] = bandAround("5.8e-4", 0.002, 49);
  expect(least).toBe(0);
  expect(most).toBeCloseTo(5.8e-4 + 5e-6 + 0.001, 9);
});

test("a figure outside its band is found", () => {
  const figure = { setting: "", name: "", published: "1", measured: 2, band: [0, 1.5] } as const;
  expect(isWithin(figure)).toBe(false);
  expect(isWithin({ ...figure, measured: 1.5 })).toBe(true);
});

test("the plot has a curve for each mode that rises to all nodes, push-pull the soonest", () => {
  const settings = { ...AS_PUBLISHED, nodes: 200, runs: 3 };
  const curves = infectionCurves(settings);
  expect(curves.map(({ mode }) => mode)).toEqual(["push", "pull", "push_pull"]);
  for (const { shares } of curves) {
    expect(shares[0]).toBe(1 / 200);
    expect(shares.at(-1)).toBe(1);
    expect([...shares].sort((a, b) => a - b)).toEqual(shares);
  }
  const [push, pull, pushPull] = curves.map(({ shares }) => shares.length);
  expect(pushPull).toBeLessThan(Math.min(push ?? 0, pull ?? 0));
  const svg = infectionSvg(curves, settings);
  expect(svg.match(/<polyline /g)).toHaveLength(3);
  expect(svg).not.toContain("NaN");
});
