import { platform } from "@hearsay/cli/simulation-platform";
import { ANTI_ENTROPY_DEFAULTS, parseVersion } from "@hearsay/core";
import { VirtualCluster } from "@hearsay/simulator";
import { expect, test } from "vitest";

const WRITES = 300;

test("a burst of writes whose mail is lost is acknowledged by the exchange that brings it, with few questions", async () => {
  const cluster = new VirtualCluster(platform, 51, {
    maxPendingAcks: WRITES,
    antiEntropy: { ...ANTI_ENTROPY_DEFAULTS, intervalMs: 2000 },
  });
  await cluster.start("a", "b", "c");
  cluster.partition(["a"], ["b", "c"]);
  const { running } = cluster.machine("a");
  const holders: number[] = [];
  for (let i = 0; i < WRITES; i++) {
    const version = parseVersion(await cluster.put("a", `k${i}`, "v"));
    if (version === undefined) throw new Error("no version");
    void running.acknowledged(`k${i}`, version, 3, 60_000).then((held) => holders.push(held));
  }
  await cluster.time.advance(500);
  cluster.heal();
  await cluster.time.until("all are acknowledged", () => holders.length === WRITES, 20_000);
  expect(new Set(holders)).toEqual(new Set([3]));
  expect(running.acksPending).toBe(0);
  // Were every late write asked for, it would be 3,600.
  expect(cluster.traffic.get("holds")?.messages ?? 0).toBeLessThan(1200);
});
