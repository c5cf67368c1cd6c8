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

test("who waits for all members waits for one that leaves no longer than that one is a member", async () => {
  const cluster = new VirtualCluster(platform, 52);
  await cluster.start("a", "b", "c");
  await cluster.time.advance(10_000);
  cluster.partition(["a"], ["c"]);
  const version = parseVersion(await cluster.put("a", "k", "v"));
  if (version === undefined) throw new Error("no version");
  let holders: number | undefined;
  void cluster
    .machine("a")
    .running.acknowledged("k", version, 3, 60_000)
    .then((held) => {
      holders = held;
    });
  await cluster.time.advance(100);
  expect(holders).toBeUndefined();
  const leaving = cluster.machine("c").running.leave();
  await cluster.time.until("the wait is over", () => holders !== undefined, 20_000);
  expect([holders, cluster.machine("a").running.size]).toEqual([2, 2]);
  await leaving;
});
