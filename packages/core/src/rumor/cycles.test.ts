import { describe, expect, test } from "vitest";
import { type CycleExperiment, type CycleResult, runRumorCycles } from "./cycles.ts";

const NODES = 1000;

function mean(experiment: Omit<CycleExperiment, "nodes" | "seed" | "cyclesMax">, seeds: number): CycleResult {
  let residue = 0;
  let traffic = 0;
  let lastCycle = 0;
  for (let seed = 1; seed <= seeds; seed++) {
    const result = runRumorCycles({ ...experiment, nodes: NODES, seed, cyclesMax: 1000 });
    residue += result.residue / seeds;
    traffic += result.traffic / seeds;
    lastCycle += result.lastCycle / seeds;
  }
  return { residue, traffic, lastCycle, known: [] };
}

interface Row {
  readonly k: number;
  readonly residue: readonly [number, number];
  readonly traffic: readonly [number, number];
  readonly lastCycle: readonly [number, number];
  readonly seeds: number;
}

function expectWithin(value: number, [low, high]: readonly [number, number]): void {
  expect(value).toBeGreaterThanOrEqual(low);
  expect(value).toBeLessThanOrEqual(high);
}

function expectRow(row: Row, result: CycleResult): void {
  expectWithin(result.residue, row.residue);
  expectWithin(result.traffic, row.traffic);
  expectWithin(result.lastCycle, row.lastCycle);
}

describe("the machine in synchronous cycles over 1,000 nodes", () => {
  // Published: .18/1.7/16.8, .037/3.3/16.9, .011/4.5/17.4, .0036/5.6/17.5, .0012/6.7/17.7.
  test.each<Row>([
    { k: 1, residue: [0.15, 0.21], traffic: [1.6, 1.8], lastCycle: [13, 20], seeds: 2 },
    { k: 2, residue: [0.028, 0.047], traffic: [3.1, 3.5], lastCycle: [14, 20], seeds: 2 },
    { k: 3, residue: [0.006, 0.016], traffic: [4.3, 4.7], lastCycle: [14, 21], seeds: 2 },
    { k: 4, residue: [0.0005, 0.007], traffic: [5.4, 5.9], lastCycle: [14, 21], seeds: 2 },
    { k: 5, residue: [0, 0.0035], traffic: [6.4, 7.0], lastCycle: [14, 21], seeds: 2 },
  ])("push with feedback and counter k = $k is Demers' table 1", (row) => {
    expectRow(row, mean({ mode: "push", loss: "feedback_counter", k: row.k, fanout: 1 }, row.seeds));
  });

  // Published: .96/.04/38, .20/1.6/33, .060/2.8/32, .021/3.9/32, .008/4.9/32.
  test.each<Row>([
    { k: 1, residue: [0.94, 0.98], traffic: [0.02, 0.06], lastCycle: [20, 60], seeds: 5 },
    { k: 2, residue: [0.17, 0.23], traffic: [1.5, 1.7], lastCycle: [25, 43], seeds: 2 },
    { k: 3, residue: [0.045, 0.075], traffic: [2.6, 3.0], lastCycle: [24, 42], seeds: 2 },
    { k: 4, residue: [0.012, 0.03], traffic: [3.7, 4.1], lastCycle: [24, 42], seeds: 2 },
    { k: 5, residue: [0.003, 0.014], traffic: [4.7, 5.2], lastCycle: [24, 42], seeds: 2 },
  ])("blind push with a coin k = $k is Demers' table 2", (row) => {
    expectRow(row, mean({ mode: "push", loss: "blind_coin", k: row.k, fanout: 1 }, row.seeds));
  });

  // Published: 3.1e-2/2.7/17.6, 5.8e-4/4.5/15.4, 4.0e-6/6.1/14.0.
  test.each<Row>([
    { k: 1, residue: [0.02, 0.045], traffic: [2.5, 2.9], lastCycle: [14, 21], seeds: 2 },
    { k: 2, residue: [0, 0.002], traffic: [4.2, 4.8], lastCycle: [12, 18], seeds: 2 },
    { k: 3, residue: [0, 0.0006], traffic: [5.8, 6.4], lastCycle: [11, 17], seeds: 2 },
  ])("pull with feedback and counter k = $k is Demers' table 3", (row) => {
    expectRow(row, mean({ mode: "pull", loss: "feedback_counter", k: row.k, fanout: 1 }, row.seeds));
  });

  function rounds(fanout: number, seeds: number): number {
    const endless = { mode: "push", loss: "feedback_counter", k: Number.POSITIVE_INFINITY, fanout } as const;
    let sum = 0;
    for (let seed = 1; seed <= seeds; seed++) {
      const result = runRumorCycles({ ...endless, nodes: NODES, seed, cyclesMax: 100 });
      expect(result.residue).toBe(0);
      sum += result.lastCycle;
    }
    return sum / seeds;
  }

  test("push with one contact a round takes a number of rounds inside the bounds of Doerr and Künnemann", () => {
    const mean = rounds(1, 3);
    expect(mean).toBeGreaterThan(Math.floor(Math.log2(NODES)) + Math.log(NODES) - 1.116);
    expect(mean).toBeLessThan(Math.ceil(Math.log2(NODES)) + Math.log(NODES) + 2.765);
  });

  test("with two contacts a round 1,000 nodes know in about log2 n rounds", () => {
    expectWithin(rounds(2, 3), [Math.log2(NODES) - 1.5, Math.log2(NODES) + 1.5]);
  });

  test("the same seed gives the same run", () => {
    const experiment = {
      mode: "push",
      loss: "blind_coin",
      k: 2,
      fanout: 1,
      nodes: 100,
      cyclesMax: 99,
    } as const;
    expect(runRumorCycles({ ...experiment, seed: 7 })).toEqual(runRumorCycles({ ...experiment, seed: 7 }));
    expect(runRumorCycles({ ...experiment, seed: 7 })).not.toEqual(
      runRumorCycles({ ...experiment, seed: 8 }),
    );
  });
});
