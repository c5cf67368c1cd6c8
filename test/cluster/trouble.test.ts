/** What operators and machines do wrong. */

import { platform } from "@hearsay/cli/simulation-platform";
import { parseVersion } from "@hearsay/core";
import { VirtualCluster } from "@hearsay/simulator";
import { describe, expect, test } from "vitest";

const MINUTE_MS = 60_000;
const HOUR_MS = 60 * MINUTE_MS;

function timeOf(version: string): number {
  return parseVersion(version)?.time ?? Number.NaN;
}

function idOf(cluster: VirtualCluster, name: string): string {
  return cluster.machine(name).running.id;
}

function stateOf(cluster: VirtualCluster, at: string, id: string): string | undefined {
  return cluster.machine(at).running.membership.stateOf(id);
}

async function writable(cluster: VirtualCluster, name: string): Promise<void> {
  const { running } = cluster.machine(name);
  await cluster.time.until(`${name} takes writes`, () => running.notWritable() === undefined, 2 * MINUTE_MS);
}

/** Waits until every member says that it holds everything up to the version's time. */
async function complete(cluster: VirtualCluster, version: string, ...names: string[]): Promise<void> {
  await cluster.time.until(
    "the watermark passes the version",
    () =>
      names.every((name) => cluster.machine(name).running.keeper.completeness.watermark >= timeOf(version)),
    2 * MINUTE_MS,
  );
}

describe("joining", () => {
  test("a node with other limits stays outside and says which differ", async () => {
    const cluster = new VirtualCluster(platform, 31);
    await cluster.start("a", "b");
    const before = cluster.machine("a").running.membership.counted();
    cluster.machine("c").overrides = {
      limits: {
        maxValueBytes: 2,
        maxSiblings: 32,
        maxMessageBytes: 8 * 1024 * 1024,
        tombstoneRetentionMs: 1,
        digestKeyId: "0".repeat(16),
      },
    };
    const joiner = await cluster.run("c", ["a:1"]);
    await cluster.time.advance(MINUTE_MS);
    expect(joiner.notWritable()).toEqual({
      code: "limits_differ",
      by: "a:1",
      knobs: ["maxValueBytes", "tombstoneRetentionMs"],
    });
    expect(cluster.machine("a").running.membership.counted()).toEqual(before);
  });

  test("the second of two nodes with one name is refused, and is told where the first one is", async () => {
    const cluster = new VirtualCluster(platform, 32);
    await cluster.start("a", "b", "c");
    cluster.machine("c2").nodeName = "c";
    const second = await cluster.run("c2", ["a:1"]);
    await cluster.time.advance(MINUTE_MS);
    expect(second.notWritable()).toEqual({ code: "name_taken", by: "c:1" });
    expect(cluster.machine("a").running.membership.counted().ids).toHaveLength(3);
    await cluster.put("c", "k", "by the first");
    await cluster.converged("a", "b", "c");
    expect(cluster.read("a", "k")).toBe("by the first");
  });

  test("a node whose seeds are all down waits for one, and takes no writes before", async () => {
    const cluster = new VirtualCluster(platform, 33);
    await cluster.start("a", "b");
    await cluster.kill("a");
    const joiner = await cluster.run("c", ["a:1"]);
    await cluster.time.advance(MINUTE_MS);
    expect(joiner.notWritable()).toMatchObject({ code: "joining" });
    await cluster.run("a", []);
    await writable(cluster, "c");
    await cluster.put("c", "k", "v");
    await cluster.converged("a", "b", "c");
  });
});

describe("a clock that is far ahead", () => {
  test("stops its node from taking writes, and spreads to nobody", async () => {
    const cluster = new VirtualCluster(platform, 34);
    await cluster.start("a", "b", "c");
    await cluster.put("a", "before", "v");
    await cluster.converged("a", "b", "c");
    cluster.machine("c").clockOffsetMs = HOUR_MS;
    const future = await cluster.put("c", "from the future", "v");
    const { running } = cluster.machine("c");
    await cluster.time.until("c says so", () => running.notWritable()?.code === "clock_skew", MINUTE_MS);
    const present = await cluster.put("a", "present", "v");
    await cluster.time.advance(MINUTE_MS);
    for (const name of ["a", "b"]) {
      expect(cluster.read(name, "from the future")).toBeUndefined();
      expect(cluster.read(name, "present")).toBe("v");
      const { completeness } = cluster.machine(name).running.keeper;
      expect(completeness.watermark).toBeLessThan(timeOf(future));
    }
    // What it does write goes on in the others' time: theirs never followed it.
    expect(timeOf(await cluster.put("b", "k", "v")) - timeOf(present)).toBeLessThan(2 * MINUTE_MS * 2048);
  });

  test("and is corrected: its node takes writes again, and its early ones arrive when their time has come", async () => {
    const cluster = new VirtualCluster(platform, 35);
    await cluster.start("a", "b", "c");
    cluster.machine("c").clockOffsetMs = MINUTE_MS;
    await cluster.put("c", "early", "v");
    const { running } = cluster.machine("c");
    await cluster.time.until("c says so", () => running.notWritable()?.code === "clock_skew", MINUTE_MS);
    cluster.machine("c").clockOffsetMs = 0;
    await cluster.time.until("c takes writes", () => running.notWritable() === undefined, 3 * MINUTE_MS);
    await cluster.converged("a", "b", "c");
    expect(cluster.read("a", "early")).toBe("v");
    await complete(cluster, await cluster.put("b", "later", "v"), "a", "b", "c");
  });

  test("does not let a joiner in whose own clock is far behind, which says why", async () => {
    const cluster = new VirtualCluster(platform, 36);
    await cluster.start("a", "b");
    cluster.machine("c").clockOffsetMs = -HOUR_MS;
    const joiner = await cluster.run("c", ["a:1"]);
    await cluster.time.advance(MINUTE_MS);
    expect(joiner.notWritable()).toMatchObject({ code: "joining" });
    expect(cluster.events("join_failed")).toContain("c");
    cluster.machine("c").clockOffsetMs = 0;
    await writable(cluster, "c");
  });
});

describe("a data directory", () => {
  test("that is lost leaves an id to forget, and the same name comes back as a newcomer", async () => {
    const cluster = new VirtualCluster(platform, 37);
    await cluster.start("a", "b", "c");
    for (let i = 0; i < 20; i++) await cluster.put("c", `k${i}`, "v");
    await cluster.converged("a", "b", "c");
    const lost = idOf(cluster, "c");
    await cluster.kill("c");
    cluster.wipe("c");
    await cluster.time.until("c is dead", () => stateOf(cluster, "a", lost) === "dead", 2 * MINUTE_MS);
    await cluster.run("c", ["a:1"]);
    await writable(cluster, "c");
    expect(idOf(cluster, "c")).not.toBe(lost);
    await cluster.converged("a", "b", "c");
    expect(cluster.read("c", "k19")).toBe("v");
    // The lost incarnation still counts: it may have held what nobody else does.
    const version = await cluster.put("a", "after", "v");
    await cluster.time.advance(MINUTE_MS);
    const { keeper } = cluster.machine("a").running;
    expect(keeper.heldBackBy().map(({ node }) => node)).toContain(lost);
    await cluster.machine("a").running.forget(lost);
    await complete(cluster, version, "a", "b", "c");
  });

  test("that is lost comes back at once under its name, although nobody has missed it yet", async () => {
    const cluster = new VirtualCluster(platform, 38);
    await cluster.start("a", "b", "c");
    const lost = idOf(cluster, "c");
    await cluster.kill("c");
    cluster.wipe("c");
    await cluster.run("c", ["a:1"]);
    await writable(cluster, "c");
    expect(stateOf(cluster, "a", lost)).not.toBe("retired");
    await cluster.put("c", "k", "v");
    await cluster.converged("a", "b", "c");
  });

  test("copied back from yesterday is doubted: nothing deleted comes back and nothing confirmed is lost", async () => {
    const cluster = new VirtualCluster(platform, 39);
    await cluster.start("a", "b", "c");
    await cluster.put("a", "deleted since", "v");
    await cluster.put("a", "replaced since", "old");
    await cluster.converged("a", "b", "c");
    const old = idOf(cluster, "c");
    await cluster.stop("c");
    const copy = await cluster.copyDirectory("c");
    await cluster.run("c", []);
    await writable(cluster, "c");
    await cluster.remove("b", "deleted since");
    await cluster.put("b", "replaced since", "new");
    await cluster.put("c", "written since", "v");
    await cluster.converged("a", "b", "c");
    // Long enough for the deletion to be purged everywhere.
    await cluster.time.until(
      "the tombstone is gone",
      () => ["a", "b", "c"].every((name) => cluster.machine(name).store?.get("deleted since") === undefined),
      10 * MINUTE_MS,
    );
    await cluster.kill("c");
    await cluster.restoreDirectory("c", copy);
    await cluster.run("c", []);
    expect(idOf(cluster, "c")).not.toBe(old);
    await writable(cluster, "c");
    await cluster.time.until(
      "the old incarnation is retired everywhere",
      () => ["a", "b", "c"].every((name) => stateOf(cluster, name, old) === "retired"),
      MINUTE_MS,
    );
    await cluster.converged("a", "b", "c");
    for (const name of ["a", "b", "c"]) {
      expect(cluster.read(name, "deleted since")).toBeUndefined();
      expect(cluster.read(name, "replaced since")).toBe("new");
      expect(cluster.read(name, "written since")).toBe("v");
    }
    expect(cluster.events("silent_loss_suspected")).toEqual([]);
    await complete(cluster, await cluster.put("c", "after", "v"), "a", "b", "c");
  });

  test("of both of two nodes is doubted, and the new incarnations find each other", async () => {
    const cluster = new VirtualCluster(platform, 40);
    await cluster.start("a", "b");
    await cluster.put("a", "on both", "v");
    await cluster.converged("a", "b");
    const old = ["a", "b"].map((name) => idOf(cluster, name));
    for (const name of ["a", "b"]) await cluster.kill(name);
    for (const name of ["a", "b"]) {
      await cluster.restoreDirectory(name, await cluster.copyDirectory(name));
    }
    await cluster.run("a", []);
    await cluster.run("b", []);
    await writable(cluster, "a");
    await writable(cluster, "b");
    await cluster.time.until(
      "each counts the two new ones",
      () =>
        ["a", "b"].every((name) => {
          const { ids } = cluster.machine(name).running.membership.counted();
          return ids.length === 2 && ids.every((id) => !old.includes(id));
        }),
      5 * MINUTE_MS,
    );
    const version = await cluster.put("a", "after", "v");
    await cluster.converged("a", "b");
    expect(["a", "b"].map((name) => cluster.read(name, "on both"))).toEqual(["v", "v"]);
    await complete(cluster, version, "a", "b");
  });
});
