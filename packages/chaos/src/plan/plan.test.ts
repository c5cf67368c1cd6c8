import { SeededRandom } from "@hearsay/core";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { drawSeed } from "./draw-seed.ts";
import { chooseFaults, FAULTS, namedFaults } from "./faults.ts";
import { planFaults } from "./schedule.ts";
import { drawShape } from "./shapes.ts";

const ALL = FAULTS.map(({ name }) => name);

describe("the schedule of faults", () => {
  const options = { seed: 7, nodes: 5, durationMs: 600_000, faults: ALL };

  it("is the same for one seed, and another for another", () => {
    expect(planFaults(options)).toEqual(planFaults(options));
    expect(planFaults({ ...options, seed: 8 })).not.toEqual(planFaults(options));
  });

  it("has every kind in time, none beyond the end, and none before the one before it in its lane is over", () => {
    const lanes = planFaults(options);
    expect(new Set(lanes.flat().map(({ kind }) => kind))).toEqual(new Set(ALL));
    for (const lane of lanes) {
      for (const [i, { atMs, forMs }] of lane.entries()) {
        expect(atMs + forMs).toBeLessThanOrEqual(options.durationMs + 1);
        expect(atMs + forMs).toBeLessThanOrEqual((lane[i + 1]?.atMs ?? options.durationMs) + 1);
      }
    }
  });

  it("leaves out what was not asked for and what so few nodes cannot have", () => {
    const kills = planFaults({ ...options, faults: ["kill"] }).flat();
    expect(new Set(kills.map(({ kind }) => kind))).toEqual(new Set(["kill"]));
    const alone = planFaults({ ...options, nodes: 1 }).flat();
    expect(alone.map(({ kind }) => kind)).toContain("kill");
    expect(alone.map(({ kind }) => kind)).not.toContain("partition");
    expect(alone.map(({ kind }) => kind)).not.toContain("disk-lost");
  });

  it("gives two lanes of machines nodes of their own", () => {
    const [, one = [], other = []] = planFaults({ ...options, faults: ["kill", "stop"] });
    const nodes = (lane: typeof one): Set<number> => new Set(lane.flatMap((fault) => fault.nodes));
    expect([...nodes(one)].filter((node) => nodes(other).has(node))).toEqual([]);
    expect([...nodes(one), ...nodes(other)].sort()).toEqual([0, 1, 2, 3, 4]);
  });
});

describe("a partition", () => {
  it("cuts something, never a node from itself, and in a ring leaves everybody a majority", () => {
    fc.assert(
      fc.property(fc.integer(), fc.integer({ min: 2, max: 9 }), (seed, count) => {
        const { cut, name } = drawShape(new SeededRandom(seed), count);
        expect(cut.length).toBeGreaterThan(0);
        for (const { from, to } of cut) expect(from).not.toBe(to);
        if (!name.startsWith("majority ring")) return;
        for (let node = 0; node < count; node++) {
          const heard = count - cut.filter(({ from }) => from === node).length;
          expect(heard).toBeGreaterThan(count / 2);
        }
      }),
    );
  });
});

describe("the choice of faults", () => {
  it("takes names, groups, all, none, and takes away", () => {
    expect(chooseFaults([])).toEqual(ALL);
    expect(chooseFaults(["kill", "clock"])).toEqual(["kill", "clock"]);
    expect(chooseFaults(["disk", "-disk-full"])).toEqual(["flip-bits", "disk-lost", "old-copy"]);
    expect(chooseFaults(["-network"])).not.toContain("hole");
    expect(chooseFaults(["-network"])).toContain("kill");
    expect(chooseFaults(["none"])).toEqual([]);
    expect(() => chooseFaults(["kil"])).toThrow('there is no fault "kil"');
  });

  it("knows which are named themselves", () => {
    expect(namedFaults(["network", "kill", "disk-full", "-disk-full"])).toEqual(["kill"]);
    expect(namedFaults(["-disk-full"])).toEqual([]);
    expect(namedFaults(["all", "clock"])).toEqual(["clock"]);
  });
});

describe("a seed that is drawn", () => {
  const options = { nodes: 3, durationMs: 60_000, faults: ["kill", "kill-all"] as const };
  const kinds = (seed: number) =>
    planFaults({ ...options, seed })
      .flat()
      .filter(({ atMs }) => atMs < options.durationMs / 2)
      .map(({ kind }) => kind);

  it("is the first with which everything that is asked for comes up", () => {
    let drawn = 0;
    const seed = drawSeed(() => ++drawn, options, ["kill-all"]);
    expect(seed).toBe(drawn);
    expect(kinds(seed)).toContain("kill-all");
    for (let before = 1; before < seed; before++) expect(kinds(before)).not.toContain("kill-all");
    expect(seed).toBeGreaterThan(1);
  });

  it("is any, where what is asked for cannot come up", () => {
    let drawn = 0;
    const draw = () => ++drawn;
    expect(drawSeed(draw, { ...options, nodes: 1, faults: ["hole"] }, ["hole"])).toBe(1);
    const hardly = drawSeed(draw, { ...options, durationMs: 10, faults: ["hole"] }, ["hole"]);
    expect(hardly).toBe(drawn);
  });
});
