/** The figures that Lifeguard was published with (Dadgar, Phillips, Currey, 2018), measured on this code. */
import { describe, expect, test } from "vitest";
import type { SwimConfig } from "./swim-config.ts";
import { VirtualCluster } from "./virtual-cluster.contract.ts";

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
