/** What the simulator has found, each as the least that shows it. */

import { platform } from "@hearsay/cli/simulation-platform";
import { EMPTY_CLIENT_CONTEXT, parseVersion, type Version } from "@hearsay/core";
import { VirtualCluster } from "@hearsay/simulator";
import { expect, test } from "vitest";

/** Of the keys under which a store keeps records. */
const RECORD_SPACE = 0x72;

function versionOf(text: string): Version {
  const version = parseVersion(text);
  if (version === undefined) throw new Error(`${text} is no version`);
  return version;
}

test("a node that came back as a new incarnation does not acknowledge its own writes in the place of the old one", async () => {
  const cluster = new VirtualCluster(platform, 7);
  await cluster.start("a", "b", "c");
  await cluster.kill("c");
  cluster.wipe("c");
  await cluster.run("c", ["a:1"]);
  const member = cluster.machine("c").running;
  await cluster.time.until("it takes writes", () => member.notWritable() === undefined, 60_000);
  expect(member.membership.members().map(({ address }) => address)).toContain("c:1");
  cluster.partition(["c"], ["a", "b"]);
  const version = versionOf(await cluster.put("c", "k", "v"));
  const acknowledged = member.acknowledged("k", version, 2, 2000);
  await cluster.time.advance(3000);
  expect(await acknowledged).toBe(1);
});

test("a retired node that is stopped before anybody acts on it says that it is retired when it starts again", async () => {
  const cluster = new VirtualCluster(platform, 6);
  await cluster.start("a", "b", "c");
  const { id } = cluster.machine("c").running;
  await cluster.kill("c");
  await cluster.time.advance(20_000);
  const forgetting = cluster.machine("a").running.forget(id);
  await cluster.time.advance(1000);
  await forgetting;
  for (let run = 1; run <= 2; run++) {
    await cluster.run("c", ["a:1", "b:1"]);
    await cluster.time.advance(5000);
    expect(cluster.machine("c").running.notWritable()).toEqual({ code: "retired" });
    expect(cluster.events("retired")).toHaveLength(run);
    await cluster.stop("c");
  }
});

test("a write that has not seen what its node wrote and cannot read any more leaves it to those who still have it", async () => {
  const cluster = new VirtualCluster(platform, 8);
  cluster.settings = { ...cluster.settings, store: { ...cluster.settings.store, cacheMaxBytes: 0 } };
  await cluster.start("a", "b", "c");
  await cluster.put("b", "k", "v");
  await cluster.converged("a", "b", "c");
  const { disk, node } = cluster.machine("b");
  await disk.flip((key) => key[0] === RECORD_SPACE);
  const unseeing = () => node?.write("k", { kind: "tombstone" }, EMPTY_CLIENT_CONTEXT);
  expect(unseeing).toThrow("is damaged");
  await cluster.converged("a", "b", "c");
  for (const name of ["a", "b", "c"]) expect(cluster.read(name, "k")).toBe("v");
});

test("nobody is taken to hold a write of which its own node could not tell whether it was on disk", async () => {
  const cluster = new VirtualCluster(platform, 9);
  await cluster.start("a", "b", "c");
  await cluster.put("a", "k", "before");
  await cluster.converged("a", "b", "c");
  const { disk, node } = cluster.machine("a");
  disk.isFull = true;
  disk.keepsRefused = true;
  const written = node?.write("k", { kind: "tombstone" }, undefined);
  if (written === undefined || "code" in written) throw new Error("not written");
  await expect(written.committed).rejects.toThrow("outcome of this write: unknown");
  await cluster.time.advance(1500);
  cluster.partition(["a"], ["b", "c"]);
  disk.isFull = false;
  await cluster.time.advance(2000);
  expect(cluster.read("a", "k")).toBeUndefined();
  for (const name of ["b", "c"]) {
    expect(cluster.read(name, "k")).toBe("before");
    expect(cluster.machine(name).running.holds("k", written.version)).toBe(false);
  }
  cluster.heal();
  await cluster.converged("a", "b", "c");
  expect(cluster.read("b", "k")).toBeUndefined();
});

test("nothing is taken from a node that was retired while it was being asked", async () => {
  const cluster = new VirtualCluster(platform, 10);
  await cluster.start("a", "b", "c");
  cluster.partition(["c"], ["a", "b"]);
  await cluster.put("c", "k", "v");
  const { member, run } = cluster.machine("c");
  if (member === undefined || run === undefined) throw new Error("c does not run");
  const peer = { id: member.id, address: member.membership.self.address };
  run.pause();
  cluster.heal();
  const fetched = cluster
    .machine("a")
    .running.fetch(peer, "k", 60_000)
    .then(
      () => "taken",
      (error: unknown) => error,
    );
  await cluster.time.advance(30_000);
  const forgetting = cluster.machine("b").running.forget(peer.id);
  await cluster.time.advance(5000);
  await forgetting;
  expect(cluster.machine("a").running.membership.isRetired(peer.id)).toBe(true);
  run.resume();
  await cluster.time.advance(5000);
  expect(await fetched).toMatchObject({ reason: { code: "retired" } });
  expect(cluster.read("a", "k")).toBeUndefined();
});

test("nodes whose directories are gone and that find only each other begin no cluster beside the one they were in", async () => {
  const cluster = new VirtualCluster(platform, 11);
  const names = ["a", "b", "c", "d", "e"];
  await cluster.start(...names);
  await cluster.put("a", "k", "v");
  await cluster.converged(...names);
  cluster.partition(["d", "e"], ["a", "b", "c"]);
  for (const name of ["d", "e"]) {
    await cluster.kill(name);
    cluster.wipe(name);
  }
  // In a cluster of their own they would soon know for certain that there never was such a key.
  for (const name of ["d", "e"]) await cluster.run(name, addressesBut(name, names));
  await cluster.time.advance(120_000);
  for (const name of ["d", "e"]) expect(cluster.machine(name).running.notWritable()?.code).toBe("joining");
  cluster.heal();
  await cluster.converged(...names);
  const takeWrites = (): boolean => names.every((name) => !cluster.machine(name).running.notWritable());
  await cluster.time.until("all take writes", takeWrites, 20_000);
  for (const name of names) expect(cluster.read(name, "k")).toBe("v");
});

test("new nodes that name each other begin a cluster once all of them have answered", async () => {
  const cluster = new VirtualCluster(platform, 12);
  const names = ["a", "b", "c"];
  // An address of its own among those it was told of stands in no node's way.
  const addresses = names.map((name) => `${name}:1`);
  for (const name of ["a", "b"]) await cluster.run(name, addresses);
  await cluster.time.advance(20_000);
  for (const name of ["a", "b"]) expect(cluster.machine(name).running.notWritable()?.code).toBe("joining");
  await cluster.run("c", addresses);
  const takeWrites = (): boolean => names.every((name) => !cluster.machine(name).running.notWritable());
  await cluster.time.until("all take writes", takeWrites, 20_000);
  for (const name of names) expect(cluster.machine(name).running.size).toBe(3);
});

test("a node that is set up anew elsewhere takes writes once the one whose name it has is known to be dead", async () => {
  const cluster = new VirtualCluster(platform, 13);
  await cluster.start("a", "b", "c");
  await cluster.kill("c");
  const machine = cluster.machine("d");
  machine.nodeName = "c";
  await cluster.run("d", ["a:1", "b:1"]);
  await cluster.time.advance(1000);
  expect(machine.running.notWritable()).toEqual({ code: "name_taken", by: "c:1" });
  const takesWrites = (): boolean => machine.running.notWritable() === undefined;
  await cluster.time.until("it takes writes", takesWrites, 30_000);
  expect(cluster.machine("a").running.membership.members()).toMatchObject([{}, {}, { state: "dead" }, {}]);
});

function addressesBut(name: string, names: readonly string[]): string[] {
  return names.filter((other) => other !== name).map((other) => `${other}:1`);
}
