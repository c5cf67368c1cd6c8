import { describe, expect, test } from "vitest";
import { LanNetwork } from "./lan-network.contract.ts";
import type { RumorOptions } from "./options.ts";

interface Load {
  readonly writes: number;
  readonly perSecond: number;
  readonly sizeBytes: number;
  readonly lossRate?: number;
}

/** Writes of distinct keys through all nodes in turn; runs until nothing is hot any more. */
function run(nodes: number, load: Load, options: Partial<RumorOptions> = {}) {
  const network = new LanNetwork(nodes, 1, options);
  network.lossRate = load.lossRate ?? 0;
  for (let i = 0; i < load.writes; i++) {
    network.write((i * 1000) / load.perSecond, (i * 7) % nodes, `key-${i}`, load.sizeBytes);
  }
  network.run();
  expect(network.nodes.every((node) => node.machine.isQuiet)).toBe(true);
  const delays = network.delaysMs.sort((a, b) => a - b);
  const pairs = load.writes * nodes;
  return {
    copies: network.counts.records / pairs,
    missing: network.missing(),
    pairs,
    p99Ms: delays[Math.floor(delays.length * 0.99)] ?? Number.POSITIVE_INFINITY,
    network,
  };
}

const NO_MAIL: Partial<RumorOptions> = { directMailMax: 0 };

describe("32 nodes on a local network, by rumors alone", () => {
  const loads: readonly (readonly [string, Load])[] = [
    ["500 writes a second", { writes: 1500, perSecond: 500, sizeBytes: 100 }],
    ["lone writes", { writes: 350, perSecond: 10, sizeBytes: 100 }],
    ["500 writes a second of 20 kB", { writes: 500, perSecond: 500, sizeBytes: 20_000 }],
  ];

  test.each(loads)(
    "%s: all know within 100 ms at p99, with at most 2 copies of a value per node",
    (_, load) => {
      const result = run(32, load, NO_MAIL);
      expect(result.p99Ms).toBeLessThan(100);
      expect(result.copies).toBeLessThanOrEqual(2);
      expect(result.missing).toBeLessThan(result.pairs / 10_000);
      expect(result.network.counts.mostInFlightPerPipe).toBe(1);
    },
  );

  test("values above the inline bound travel once to each node", () => {
    const result = run(32, { writes: 200, perSecond: 100, sizeBytes: 20_000 }, NO_MAIL);
    expect(result.missing).toBe(0);
    expect(result.copies).toBeCloseTo(31 / 32, 2);
  });

  test("with one message in fifty lost, few are left to anti-entropy, and nothing stays hot or wanted", () => {
    const result = run(32, { writes: 700, perSecond: 500, sizeBytes: 100, lossRate: 0.02 }, NO_MAIL);
    expect(result.missing).toBeLessThan(result.pairs / 2000);
    expect(result.copies).toBeLessThanOrEqual(2);
  });

  test("keys written again while they spread end in the newest version everywhere", () => {
    const network = new LanNetwork(32, 3, NO_MAIL);
    for (let i = 0; i < 600; i++) network.write(i * 2, (i * 11) % 32, `key-${i % 20}`, 100);
    network.run();
    expect(network.missing()).toBe(0);
  });
});

describe("32 nodes on a local network, by mail", () => {
  test("each small value is sent once to each peer and is there within 20 ms", () => {
    const result = run(32, { writes: 1000, perSecond: 500, sizeBytes: 100 });
    expect(result.missing).toBe(0);
    expect(result.p99Ms).toBeLessThan(20);
    expect(result.network.counts.records).toBe(31 * 1000);
  });

  test("a large value is not sent to all by one node", () => {
    const { missing, copies, network } = run(32, { writes: 1, perSecond: 1, sizeBytes: 20_000 });
    expect(missing).toBe(0);
    expect(copies).toBeCloseTo(31 / 32, 2);
    expect(Math.max(...network.nodes.map((node) => node.machine.counters.records))).toBeLessThan(16);
  });
});

describe("3 nodes on a local network", () => {
  test("each value is sent once to each peer and is there within 10 ms", () => {
    const result = run(3, { writes: 1000, perSecond: 500, sizeBytes: 100 });
    expect(result.missing).toBe(0);
    expect(result.p99Ms).toBeLessThan(10);
    expect(result.network.counts.records).toBe(2 * 1000);
  });
});
