/** An old copy of the directory of a node that was alone, put back when others have entered its cluster: it is alone, and does not know of them. */

import { platform } from "@hearsay/cli/simulation-platform";
import { VirtualCluster } from "@hearsay/simulator";
import { describe, expect, test } from "vitest";

const MINUTE_MS = 60_000;
const SETTINGS = { tombstoneRetentionMs: 30_000 };
const SHARED = {
  maxValueBytes: 1,
  maxSiblings: 1,
  maxMessageBytes: 1,
  tombstoneRetentionMs: 1,
  digestKeyId: "0".repeat(16),
};
/** Longer than deletions are kept. */
const LONG_MS = 2 * MINUTE_MS;

async function allWritable(cluster: VirtualCluster, ...names: readonly string[]): Promise<void> {
  await cluster.time.until(
    `${names.join(", ")} take writes`,
    () => names.every((name) => cluster.machine(name).running.notWritable() === undefined),
    MINUTE_MS,
  );
}

test("what the others have deleted stays deleted, whether they have purged that or not", async () => {
  const cluster = new VirtualCluster(platform, 71, SETTINGS);
  await cluster.start("a");
  for (const key of ["purged", "kept"]) await cluster.put("a", key, "deleted since");
  await cluster.stop("a");
  const copy = await cluster.copyDirectory("a");
  await cluster.run("a", []);
  for (const name of ["b", "c"]) await cluster.run(name, ["a:1"]);
  await allWritable(cluster, "a", "b", "c");
  await cluster.converged("a", "b", "c");
  await cluster.remove("b", "purged");
  const stores = (): unknown[] => ["a", "b", "c"].map((name) => cluster.machine(name).store?.get("purged"));
  await cluster.time.until("purged", () => stores().every((record) => record === undefined), LONG_MS);
  await cluster.kill("a");
  await cluster.remove("b", "kept");
  cluster.partition(["a"], ["b", "c"]);
  await cluster.restoreDirectory("a", copy);
  const a = await cluster.run("a", []);
  expect(a.notWritable()).toBeUndefined();
  await cluster.put("a", "new", "of a alone");
  await cluster.time.until("a is complete", () => a.standing.complete, LONG_MS);
  await cluster.time.advance(LONG_MS);
  cluster.heal();
  const b = () => cluster.machine("b").running.membership.members();
  await cluster.time.until("b hears of a", () => b().some(({ id }) => id === a.id), LONG_MS);
  await cluster.time.advance(MINUTE_MS);
  await allWritable(cluster, "a", "b", "c");
  await cluster.converged("a", "b", "c");
  for (const name of ["a", "b", "c"]) {
    const found = ["purged", "kept", "new"].map((key) => cluster.read(name, key));
    expect([name, ...found]).toEqual([name, undefined, undefined, "of a alone"]);
  }
  expect(cluster.events("silent_loss_suspected")).toEqual([]);
  const standings = ["a", "b", "c"].map((name) => cluster.machine(name).running.standing.complete);
  expect(standings).toEqual([true, true, true]);
});

test("a newcomer enters as anywhere else, and the node goes on taking writes and stays complete", async () => {
  const cluster = new VirtualCluster(platform, 72, SETTINGS);
  await cluster.start("a");
  await cluster.put("a", "k", "v");
  await cluster.stop("a");
  await cluster.restoreDirectory("a", await cluster.copyDirectory("a"));
  const a = await cluster.run("a", []);
  await cluster.time.until("a is complete", () => a.standing.complete, MINUTE_MS);
  await cluster.run("b", ["a:1"]);
  const b = cluster.machine("b").running;
  await cluster.time.until(
    "b is complete",
    () => {
      expect([a.notWritable(), a.standing.complete]).toEqual([undefined, true]);
      return b.standing.complete && b.notWritable() === undefined;
    },
    MINUTE_MS,
  );
  expect(cluster.read("b", "k")).toBe("v");
  expect([a.keeper.isAloneInDoubt, cluster.events("found_by_others")]).toEqual([false, []]);
});

test("what it knew is kept from those that ask before they come into its table", async () => {
  const cluster = new VirtualCluster(platform, 73, SETTINGS);
  await cluster.start("a");
  await cluster.stop("a");
  await cluster.restoreDirectory("a", await cluster.copyDirectory("a"));
  const a = await cluster.run("a", []);
  await cluster.time.advance(LONG_MS);
  expect(a.standing.floor).toBeGreaterThan(0);
  const asked = { kind: "hello", limits: SHARED, knows: [], belongs: true, boundTo: [] } as const;
  const reply = await a.serve("b~0123456789", { ...asked, knows: [a.id] });
  expect(reply).toMatchObject({ kind: "welcome", floor: 0, watermark: 0, newcomer: false });
});

test.each([77, 79, 80])(
  "a power cut takes from it none that have entered, also where batches are not synced: a newcomer begins no second cluster there (seed %i)",
  async (seed) => {
    const cluster = new VirtualCluster(platform, seed, SETTINGS);
    cluster.settings = { ...cluster.settings, durability: "os" };
    await cluster.start("a");
    await cluster.run("b", ["a:1"]);
    await allWritable(cluster, "a", "b");
    cluster.partition(["a", "c"], ["b"]);
    await cluster.kill("a");
    await cluster.machine("a").disk.losePower();
    const a = await cluster.run("a", []);
    expect(a.keeper.isAloneInDoubt).toBe(false);
    const c = await cluster.run("c", ["a:1"]);
    await cluster.time.advance(MINUTE_MS);
    expect([a.notWritable()?.code, c.notWritable()?.code]).toEqual(["joining", "joining"]);
    cluster.heal();
    await allWritable(cluster, "a", "b", "c");
    await cluster.put("c", "k", "v");
    await cluster.converged("a", "b", "c");
  },
);

describe.each([
  { who: "one that was always alone", withOther: false },
  { who: "the last of a cluster", withOther: true },
])("$who", ({ withOther }) => {
  async function inDoubt(seed: number): Promise<VirtualCluster> {
    const cluster = new VirtualCluster(platform, seed, SETTINGS);
    await cluster.start("a");
    await cluster.put("a", "k", "v");
    if (withOther) await leaves(cluster, "b");
    await cluster.stop("a");
    await cluster.restoreDirectory("a", await cluster.copyDirectory("a"));
    await cluster.run("a", []);
    await cluster.stop("a");
    return cluster;
  }

  test("takes writes after each orderly stop, and is in doubt still", async () => {
    const cluster = await inDoubt(74);
    for (const run of ["first", "second"]) {
      const a = await cluster.run("a", []);
      await cluster.time.advance(MINUTE_MS);
      expect([a.notWritable(), a.standing.complete]).toEqual([undefined, true]);
      expect(a.keeper.isAloneInDoubt).toBe(true);
      await cluster.put("a", run, "v");
      await cluster.stop("a");
    }
  });

  test("told of another cluster, enters it where it was always alone, and else waits until it is told of none", async () => {
    const cluster = await inDoubt(75);
    await cluster.run("z", []);
    const among = await cluster.run("a", ["z:1"]);
    await cluster.time.advance(MINUTE_MS);
    expect(among.joiningState.kind).toBe(withOther ? "joining" : "member");
    expect(cluster.read("z", "k")).toBe(withOther ? undefined : "v");
    await cluster.stop("a");
    const again = await cluster.run("a", []);
    await cluster.time.advance(MINUTE_MS);
    expect([again.notWritable(), again.standing.complete]).toEqual([undefined, true]);
    expect(cluster.read("a", "k")).toBe("v");
  });

  test("told of members that have entered since, starts over, and keeps what they have deleted deleted", async () => {
    const cluster = new VirtualCluster(platform, 76, SETTINGS);
    await cluster.start("a");
    if (withOther) await leaves(cluster, "b");
    await cluster.put("a", "k", "deleted since");
    await cluster.stop("a");
    const copy = await cluster.copyDirectory("a");
    await cluster.run("a", []);
    for (const name of ["c", "d"]) await cluster.run(name, ["a:1"]);
    await allWritable(cluster, "c", "d");
    await cluster.converged("a", "c", "d");
    await cluster.kill("a");
    await cluster.remove("c", "k");
    cluster.partition(["a"], ["c", "d"]);
    await cluster.restoreDirectory("a", copy);
    await cluster.run("a", []);
    await cluster.time.advance(LONG_MS);
    await cluster.stop("a");
    cluster.heal();
    const a = await cluster.run("a", ["c:1"]);
    expect([a.standing.complete, a.standing.floor]).toEqual([false, 0]);
    await allWritable(cluster, "a", "c", "d");
    await cluster.converged("a", "c", "d");
    for (const name of ["a", "c", "d"]) expect(cluster.read(name, "k")).toBeUndefined();
  });
});

/** Somebody enters, and goes for good. */
async function leaves(cluster: VirtualCluster, name: string): Promise<void> {
  await cluster.run(name, ["a:1"]);
  await allWritable(cluster, name);
  const left = cluster.machine(name).running.leave();
  await cluster.time.advance(5_000);
  await left;
  await cluster.kill(name);
}
