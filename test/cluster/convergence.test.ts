import { platform } from "@hearsay/cli/simulation-platform";
import { VirtualCluster } from "@hearsay/simulator";
import { expect, test } from "vitest";

test("a write on one node is on all of them a moment later", async () => {
  const cluster = new VirtualCluster(platform, 1);
  await cluster.start("a", "b", "c");
  await cluster.put("a", "greeting", "hello");
  await cluster.time.advance(20);
  expect(["a", "b", "c"].map((name) => cluster.read(name, "greeting"))).toEqual(["hello", "hello", "hello"]);
});

test("what was written on both sides of a partition is on all nodes once it heals", async () => {
  const cluster = new VirtualCluster(platform, 2);
  await cluster.start("a", "b", "c");
  cluster.partition(["a"], ["b", "c"]);
  for (let i = 0; i < 50; i++) {
    await cluster.put("a", `left-${i}`, "l");
    await cluster.put("b", `right-${i}`, "r");
  }
  await cluster.time.advance(5000);
  expect(cluster.read("c", "left-0")).toBeUndefined();
  cluster.heal();
  await cluster.converged("a", "b", "c");
  for (const name of ["a", "b", "c"]) {
    expect(cluster.read(name, "left-49")).toBe("l");
    expect(cluster.read(name, "right-49")).toBe("r");
  }
});

test("a cluster that was stopped as a whole finds itself again at once", async () => {
  const cluster = new VirtualCluster(platform, 3);
  await cluster.start("a", "b", "c");
  for (const name of ["a", "b", "c"]) await cluster.stop(name);
  for (const name of ["a", "b", "c"]) await cluster.run(name, []);
  await cluster.time.until(
    "all see one another",
    () => ["a", "b", "c"].every((name) => cluster.machine(name).running.membership.livePeers().length === 2),
    3000,
  );
});
