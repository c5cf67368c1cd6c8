/** Networks that flap and lie. Faults at random are in test/simulator. */

import { platform } from "@hearsay/cli/simulation-platform";
import { VirtualCluster } from "@hearsay/simulator";
import { describe, expect, test } from "vitest";

const MINUTE_MS = 60_000;

describe("a network", () => {
  test("that flaps between two halves leaves no member dead for good, and loses nothing", async () => {
    const cluster = new VirtualCluster(platform, 51);
    await cluster.start("a", "b", "c", "d");
    for (let round = 0; round < 15; round++) {
      cluster.partition(["a", "b"], ["c", "d"]);
      await cluster.put("a", `left-${round}`, "l");
      await cluster.put("d", `right-${round}`, "r");
      await cluster.time.advance(700);
      cluster.heal();
      await cluster.time.advance(300);
    }
    await cluster.converged("a", "b", "c", "d");
    for (const name of ["a", "b", "c", "d"]) {
      for (let round = 0; round < 15; round++) {
        expect([cluster.read(name, `left-${round}`), cluster.read(name, `right-${round}`)]).toEqual([
          "l",
          "r",
        ]);
      }
    }
    const alive = (): boolean =>
      ["a", "b", "c", "d"].every((name) =>
        cluster
          .machine(name)
          .running.membership.members()
          .every(({ state }) => state === "alive"),
      );
    await cluster.time.until("all are alive in every table", alive, 3 * MINUTE_MS);
  });

  test("that carries messages one way only still brings every write to both sides", async () => {
    const cluster = new VirtualCluster(platform, 52);
    await cluster.start("a", "b", "c");
    cluster.cut("a", "b");
    await cluster.put("a", "from a", "v");
    await cluster.put("b", "from b", "v");
    await cluster.converged("a", "b", "c");
    expect([cluster.read("b", "from a"), cluster.read("a", "from b")]).toEqual(["v", "v"]);
    // The third one probes for both, so nobody is taken for dead.
    await cluster.time.advance(MINUTE_MS);
    for (const name of ["a", "b", "c"]) {
      const states = cluster
        .machine(name)
        .running.membership.members()
        .map(({ state }) => state);
      expect(states).not.toContain("dead");
    }
  });

  test("that cuts one node's way out does not lose what it has acknowledged", async () => {
    const cluster = new VirtualCluster(platform, 53);
    await cluster.start("a", "b", "c");
    cluster.cut("c", "a");
    cluster.cut("c", "b");
    await cluster.put("c", "k", "v");
    await cluster.put("a", "k2", "v");
    await cluster.time.advance(2 * MINUTE_MS);
    cluster.heal();
    await cluster.converged("a", "b", "c");
    expect([cluster.read("a", "k"), cluster.read("c", "k2")]).toEqual(["v", "v"]);
  });

  test("that loses a tenth of all messages slows a cluster down and does nothing worse", async () => {
    const cluster = new VirtualCluster(platform, 54);
    await cluster.start("a", "b", "c");
    cluster.links.lossRate = 0.1;
    cluster.links.jitterMs = 50;
    for (let i = 0; i < 30; i++) {
      await cluster.put(["a", "b", "c"][i % 3] ?? "", `k${i}`, "v");
      await cluster.time.advance(200);
    }
    await cluster.time.until(
      "the last write is everywhere",
      () => ["a", "b", "c"].every((name) => cluster.read(name, "k29") === "v"),
      10 * MINUTE_MS,
    );
    cluster.links.lossRate = 0;
    await cluster.converged("a", "b", "c");
  });
});
