/** The figures that SWIM and Lifeguard were published with, measured on this code. */
import { describe, expect, test } from "vitest";
import type { SwimConfig } from "./swim-config.ts";
import { memberOf, VirtualCluster } from "./virtual-cluster.contract.ts";

/** Periods from each of many failures until somebody probes the failed member, the first period counting as 1. */
function firstDetections(n: number, trials: number, config: Partial<SwimConfig>): number[] {
  const cluster = new VirtualCluster({ seed: n, config });
  const members = cluster.startKnown(n);
  cluster.run(2_000);
  return Array.from({ length: trials }, (_, trial) => {
    const victim = members[trial % n] ?? memberOf("none");
    let probed = false;
    cluster.onRequest = (_from, address, message) => {
      if (address === victim.address && message.kind === "ping") probed = true;
    };
    cluster.kill(victim.id);
    const tookMs = cluster.runUntil(() => probed, 1_000 * n * 2) ?? Number.POSITIVE_INFINITY;
    // It comes back before the helpers are asked, so every trial starts from a healthy cluster.
    cluster.revive(victim.id);
    cluster.run(2_000);
    return Math.ceil(tookMs / 1_000);
  });
}

const meanOf = (values: readonly number[]): number =>
  values.reduce((sum, value) => sum + value, 0) / values.length;

describe("SWIM", () => {
  test.each([
    [8, 500, 1.515],
    [32, 300, 1.567],
    [128, 80, 1.578],
  ])(
    "with one random probe a period, %i members first probe a failed one after the expected time",
    (n, trials, expected) => {
      expect(expected).toBeCloseTo(1 / (1 - (1 - 1 / (n - 1)) ** (n - 1)), 3);
      const mean = meanOf(firstDetections(n, trials, { probeOrder: "random", pushPullIntervalMs: 1e9 }));
      expect(Math.abs(mean - expected)).toBeLessThan(3.5 * (0.95 / Math.sqrt(trials)));
    },
  );

  test("round-robin: every member probes a failed one within 2n - 1 periods", () => {
    const n = 12;
    const cluster = new VirtualCluster({ seed: 5 });
    cluster.startKnown(n);
    const lastMs = new Map<string, number>();
    let longestMs = 0;
    cluster.onRequest = (from, address, message) => {
      if (message.kind !== "ping") return;
      const pair = `${from.id} ${address}`;
      longestMs = Math.max(longestMs, cluster.nowMs - (lastMs.get(pair) ?? cluster.nowMs));
      lastMs.set(pair, cluster.nowMs);
    };
    cluster.run(600_000);
    expect(lastMs.size).toBe(n * (n - 1));
    expect(longestMs).toBeGreaterThan(n * 1_000);
    expect(longestMs).toBeLessThan((2 * n - 1) * 1_000);
  });

  test.each([[8], [32], [128]])("%i members send about 2 messages a member and period", (n) => {
    const cluster = new VirtualCluster({ seed: n });
    cluster.startKnown(n);
    cluster.run(60_000);
    const perMember = cluster.messages / n / 60;
    // A little more than 2: there are push-pulls too.
    expect(perMember).toBeGreaterThan(1.95);
    expect(perMember).toBeLessThan(2.1);
    expect(cluster.deaths()).toEqual([]);
  });
});

describe("Lifeguard", () => {
  /** False deaths while a quarter of the members process messages slowly, as the paper injects it. */
  function falseDeaths(config: Partial<SwimConfig>): {
    readonly anywhere: number;
    readonly atHealthy: number;
  } {
    const cluster = new VirtualCluster({ seed: 6, config });
    const ids = cluster.startKnown(16).map((member) => member.id);
    const slow = ids.slice(0, 4);
    for (let round = 0; round < 12; round++) {
      for (const id of slow) cluster.block(id, 16_000);
      cluster.run(17_000);
    }
    const wrong = cluster.deaths().filter(({ of }) => !slow.includes(of));
    return { anywhere: wrong.length, atHealthy: wrong.filter(({ node }) => !slow.includes(node)).length };
  }

  test("false deaths by slow members drop by more than a factor of 50", () => {
    const lifeguard = falseDeaths({});
    const swim = falseDeaths({ localHealthMax: 1, suspicionMaxTimeoutMult: 1 });
    expect(swim.anywhere).toBeGreaterThan(200);
    expect(lifeguard.anywhere * 50).toBeLessThan(swim.anywhere);
    expect(lifeguard.atHealthy).toBe(0);
  });

  test("a true failure is found in little more than the shortest suspicion once others confirm it", () => {
    const cluster = new VirtualCluster({ seed: 7 });
    const [victim, ...rest] = cluster.startKnown(16);
    if (victim === undefined) expect.unreachable();
    cluster.run(3_000);
    cluster.kill(victim.id);
    const everywhere = (): boolean =>
      rest.every((member) => cluster.swim(member.id).table.stateOf(victim.id) === "dead");
    const tookMs = cluster.runUntil(everywhere, 60_000);
    // Shortest suspicion of 16: 4.8 s; longest: 28.9 s.
    expect(tookMs).toBeGreaterThan(4_800);
    expect(tookMs).toBeLessThan(15_000);
  });
});
