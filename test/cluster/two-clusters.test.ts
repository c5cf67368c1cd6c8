/** Two clusters of one name, begun apart from each other: neither takes what the other says for its own. */

import { platform } from "@hearsay/cli/simulation-platform";
import { VirtualCluster } from "@hearsay/simulator";
import { expect, test } from "vitest";

const MINUTE_MS = 60_000;
const SETTINGS = { tombstoneRetentionMs: 30_000 };
/** Longer than deletions are kept: the floor of who is up has passed all that was there. */
const LONG_MS = 2 * MINUTE_MS;

test("a first node that comes back without its data, and begins a cluster of its own, makes the others drop nothing", async () => {
  const cluster = new VirtualCluster(platform, 41, SETTINGS);
  await cluster.start("a", "b", "c");
  await cluster.put("b", "k", "v");
  await cluster.converged("a", "b", "c");
  await cluster.kill("a");
  cluster.wipe("a");
  await cluster.time.advance(LONG_MS);
  await cluster.run("a", []);
  await cluster.time.advance(2 * MINUTE_MS);
  for (const name of ["b", "c"]) expect(cluster.read(name, "k")).toBe("v");
  expect(cluster.events("other_cluster").length).toBeGreaterThan(0);
  const met = (): (string | undefined)[] =>
    ["a", "b"].map((name) => cluster.machine(name).running.membership.otherClusterAt);
  expect([
    ["b:1", "a:1"],
    ["c:1", "a:1"],
  ]).toContainEqual(met());
  await cluster.stop("a");
  await cluster.run("a", ["b:1"]);
  await cluster.time.until("a has it", () => cluster.read("a", "k") === "v", MINUTE_MS);
  expect(cluster.events("silent_loss_suspected")).toEqual([]);
  expect(met()).toEqual([undefined, undefined]);
});

test("a node that comes back in doubt does not enter a cluster that was begun without it", async () => {
  const cluster = new VirtualCluster(platform, 42, SETTINGS);
  await cluster.start("a", "b");
  await cluster.put("a", "k", "v");
  await cluster.converged("a", "b");
  const copy = await copyOf(cluster, "b");
  for (const name of ["a", "b"]) await cluster.kill(name);
  cluster.wipe("a");
  await cluster.time.advance(LONG_MS);
  await cluster.run("a", []);
  await cluster.time.advance(MINUTE_MS);
  await cluster.restoreDirectory("b", copy);
  const b = await cluster.run("b", ["a:1"]);
  await cluster.time.advance(2 * MINUTE_MS);
  expect(b.notWritable()).toMatchObject({ code: "joining", recordedBy: 0 });
  expect(cluster.read("b", "k")).toBe("v");
});

test("newcomers that were told of each other alone begin a cluster, and a member of the one before loses nothing by it", async () => {
  const cluster = new VirtualCluster(platform, 43, SETTINGS);
  await cluster.start("a", "b", "c");
  await cluster.put("a", "k", "v");
  await cluster.converged("a", "b", "c");
  for (const name of ["a", "b", "c"]) await cluster.kill(name);
  for (const name of ["a", "b"]) cluster.wipe(name);
  await cluster.time.advance(LONG_MS);
  await cluster.run("a", ["b:1"]);
  await cluster.run("b", ["a:1"]);
  const takeWrites = (): boolean => ["a", "b"].every((name) => !cluster.machine(name).running.notWritable());
  await cluster.time.until("both take writes", takeWrites, MINUTE_MS);
  await cluster.run("c", ["a:1"]);
  await cluster.time.advance(2 * MINUTE_MS);
  expect(cluster.read("c", "k")).toBe("v");
  expect(cluster.machine("c").running.notWritable()).toBeUndefined();
});

/** Cuts a third node off from a and b, and has it go on alone with what it holds; d is then deleted there. */
async function partedFrom(seed: number): Promise<VirtualCluster> {
  const cluster = new VirtualCluster(platform, seed, SETTINGS);
  await cluster.start("a", "b", "c");
  for (const key of ["k", "d"]) await cluster.put("a", key, "v");
  await cluster.converged("a", "b", "c");
  cluster.partition(["c"], ["a", "b"]);
  await cluster.kill("c");
  cluster.machine("c").resetAlone();
  await cluster.run("c", []);
  await cluster.put("a", "ours", "v");
  await cluster.put("c", "theirs", "v");
  await cluster.remove("c", "d");
  return cluster;
}

function held(cluster: VirtualCluster, name: string): string {
  return ["k", "d", "ours", "theirs"].filter((key) => cluster.read(name, key) === "v").join(" ");
}

test("a node that goes on alone beside others that still run is another cluster, and neither loses anything to the other", async () => {
  const cluster = await partedFrom(44);
  await cluster.time.advance(LONG_MS);
  cluster.heal();
  await cluster.time.advance(2 * MINUTE_MS);
  for (const name of ["a", "b"]) expect(held(cluster, name)).toBe("k d ours");
  expect(held(cluster, "c")).toBe("k theirs");
  expect(new Set(cluster.events("other_cluster"))).toEqual(new Set(["a", "b", "c"]));
  const { membership } = cluster.machine("c").running;
  expect([membership.counted().ids, membership.retiredCount]).toEqual([[membership.self.id], 0]);
  // What an operator does who gives up what it has taken.
  await cluster.kill("c");
  cluster.wipe("c");
  await cluster.run("c", ["a:1"]);
  await cluster.time.until("c is one of them", () => held(cluster, "c") === "k d ours", 2 * MINUTE_MS);
});

test.each([
  ["a:1", "c:1", "k d ours"],
  ["c:1", "a:1", "k theirs"],
])(
  "a newcomer that is told of both enters that of %s, and does not bring them together",
  async (first, second, holds) => {
    const cluster = await partedFrom(49);
    await cluster.time.advance(LONG_MS);
    cluster.heal();
    await cluster.run("e", [first, second]);
    await cluster.time.advance(2 * MINUTE_MS);
    await cluster.stop("e");
    await cluster.run("e", [second, first]);
    await cluster.time.advance(2 * MINUTE_MS);
    const all = ["a", "b", "c", "e"].map((name) => held(cluster, name));
    expect(all).toEqual(["k d ours", "k d ours", "k theirs", holds]);
  },
);

test("a node that went on alone beside others is not let in with its data, which has come apart from theirs", async () => {
  const cluster = await partedFrom(45);
  await cluster.time.advance(LONG_MS);
  expect(cluster.machine("c").store?.get("d")).toBeUndefined();
  cluster.heal();
  await cluster.stop("c");
  const c = await cluster.run("c", ["a:1"]);
  await cluster.time.advance(2 * MINUTE_MS);
  expect(c.notWritable()).toEqual({ code: "data_too_old", by: "a:1", reason: "of_others" });
  expect([held(cluster, "a"), held(cluster, "c")]).toEqual(["k d ours", "k theirs"]);
});

test("a node that is not let in with its data is not let in when it is started once more, and goes on alone as before when it is told to", async () => {
  const cluster = new VirtualCluster(platform, 46, SETTINGS);
  await cluster.start("a", "b");
  await cluster.run("d", []);
  await cluster.put("d", "theirs", "v");
  await cluster.time.advance(LONG_MS);
  for (let start = 0; start < 2; start++) {
    await cluster.stop("d");
    const d = await cluster.run("d", ["a:1"]);
    await cluster.time.advance(MINUTE_MS);
    expect(d.notWritable()).toEqual({ code: "data_too_old", by: "a:1", reason: "too_old" });
    expect(cluster.read("d", "theirs")).toBe("v");
  }
  await cluster.stop("d");
  const d = await cluster.run("d", []);
  expect([d.notWritable(), d.standing.complete]).toEqual([undefined, true]);
  await cluster.put("d", "more", "v");
});

test("two nodes that were alone and are told of each other begin a cluster with what each has", async () => {
  const cluster = new VirtualCluster(platform, 50, SETTINGS);
  for (const [name, key] of [
    ["a", "ours"],
    ["c", "theirs"],
  ] as const) {
    await cluster.run(name, []);
    await cluster.put(name, key, "v");
  }
  await cluster.time.advance(LONG_MS);
  for (const name of ["a", "c"]) await cluster.stop(name);
  await cluster.run("a", ["c:1"]);
  await cluster.run("c", ["a:1"]);
  const takeWrites = (): boolean => ["a", "c"].every((name) => !cluster.machine(name).running.notWritable());
  await cluster.time.until("both take writes", takeWrites, MINUTE_MS);
  await cluster.converged("a", "c");
  expect(["a", "c"].map((name) => held(cluster, name))).toEqual(["ours theirs", "ours theirs"]);
  expect(cluster.events("silent_loss_suspected")).toEqual([]);
});

test("newcomers begin no cluster beside a node whose data may not be brought into one: it goes on alone, and they enter", async () => {
  const cluster = new VirtualCluster(platform, 51, SETTINGS);
  await cluster.start("a", "b", "c", "d");
  await cluster.put("a", "k", "v");
  await cluster.converged("a", "b", "c", "d");
  for (const name of ["a", "b", "c", "d"]) await cluster.stop(name);
  for (const name of ["a", "b", "d"]) cluster.wipe(name);
  cluster.machine("c").resetAlone();
  await cluster.run("c", []);
  await cluster.stop("c");
  for (const name of ["a", "b", "c", "d"]) await cluster.run(name, ["a:1", "b:1", "c:1", "d:1"]);
  await cluster.time.advance(MINUTE_MS);
  const refusals = (): (string | undefined)[] =>
    ["a", "b", "c", "d"].map((name) => cluster.machine(name).running.notWritable()?.code);
  expect(refusals()).toEqual(["joining", "joining", "data_too_old", "joining"]);
  await cluster.stop("c");
  await cluster.run("c", []);
  await cluster.converged("a", "b", "c", "d");
  await cluster.time.until(
    "all are members",
    () => refusals().every((code) => code === undefined),
    MINUTE_MS,
  );
  for (const name of ["a", "b", "c", "d"]) expect(held(cluster, name)).toBe("k");
});

test("a node that was alone brings no floor of its own, to which others would purge what not all of them know is deleted", async () => {
  const cluster = new VirtualCluster(platform, 48, SETTINGS);
  await cluster.start("a", "b", "c");
  await cluster.put("a", "k", "v");
  await cluster.converged("a", "b", "c");
  await cluster.kill("c");
  await cluster.remove("a", "k");
  await cluster.run("d", []);
  await cluster.time.advance(LONG_MS);
  await cluster.put("d", "theirs", "v");
  await cluster.stop("d");
  await cluster.run("d", ["a:1"]);
  await cluster.converged("a", "b", "d");
  await cluster.time.advance(2 * MINUTE_MS);
  await cluster.run("c", ["a:1"]);
  await cluster.time.advance(2 * MINUTE_MS);
  for (const name of ["a", "b", "c", "d"]) expect(held(cluster, name)).toBe("theirs");
  expect(cluster.events("incomplete")).toEqual([]);
});

async function copyOf(cluster: VirtualCluster, name: string): ReturnType<VirtualCluster["copyDirectory"]> {
  await cluster.stop(name);
  const copy = await cluster.copyDirectory(name);
  await cluster.run(name, []);
  return copy;
}

test("the last node of a cluster that it has entered once enters another one when it comes back in doubt", async () => {
  const cluster = new VirtualCluster(platform, 61);
  await cluster.start("a", "b");
  await cluster.put("a", "k", "v");
  await cluster.converged("a", "b");
  const leaving = cluster.machine("a").running.leave();
  await cluster.time.advance(10_000);
  await leaving;
  expect(cluster.machine("b").running.size).toBe(1);
  await cluster.stop("b");
  await cluster.restoreDirectory("b", await cluster.copyDirectory("b"));
  await cluster.run("c", []);
  const b = await cluster.run("b", ["c:1"]);
  await cluster.time.until("b is a member", () => b.notWritable() === undefined, 60_000);
  await cluster.converged("b", "c");
  expect([cluster.read("c", "k"), cluster.events("other_cluster")]).toEqual(["v", []]);
});
