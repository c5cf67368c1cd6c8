import { hlcToMs, parseVersion } from "@hearsay/core";
import { expect, test } from "vitest";
import { VirtualCluster } from "./virtual-cluster.ts";

const MINUTE_MS = 60_000;

test("a newcomer does not move the watermark past a member that is away", async () => {
  const cluster = new VirtualCluster(21);
  await cluster.start("a", "b", "c");
  await cluster.time.advance(10_000);
  await cluster.kill("c");
  const version = parseVersion(await cluster.put("a", "k", "c lacks it"));
  await cluster.time.advance(10 * MINUTE_MS);
  await cluster.run("d", ["a:1"]);
  await cluster.time.advance(MINUTE_MS);
  console.log(cluster.machine("d").running.standing, cluster.machine("d").running.notWritable());
  for (const name of ["a", "b", "d"]) {
    const { watermark } = cluster.machine(name).running.keeper.completeness;
    console.log(
      name,
      new Date(hlcToMs(watermark)).toISOString(),
      new Date(hlcToMs(version?.time ?? 0)).toISOString(),
    );
    expect(watermark).toBeLessThan(version?.time ?? 0);
  }
});

test("a newcomer takes what is older than the floor, and no loss is suspected", async () => {
  const cluster = new VirtualCluster(22);
  await cluster.start("a", "b");
  await cluster.put("a", "old", "v");
  await cluster.time.advance(10 * MINUTE_MS);
  await cluster.run("c", ["a:1"]);
  await cluster.converged("a", "b", "c");
  expect(cluster.read("c", "old")).toBe("v");
  expect(cluster.events("silent_loss_suspected")).toEqual([]);
});
