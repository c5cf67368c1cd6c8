import { platform } from "@hearsay/cli/simulation-platform";
import { parseVersion } from "@hearsay/core";
import { PeerFault } from "@hearsay/node";
import { type Hooks, VirtualCluster } from "@hearsay/simulator";
import { expect, test } from "vitest";

const MINUTE_MS = 60_000;

test("a newcomer does not move the watermark past a member that is away", async () => {
  const cluster = new VirtualCluster(platform, 21);
  await cluster.start("a", "b", "c");
  await cluster.time.advance(10_000);
  await cluster.kill("c");
  const version = parseVersion(await cluster.put("a", "k", "c lacks it"));
  await cluster.time.advance(10 * MINUTE_MS);
  await cluster.run("d", ["a:1"]);
  await cluster.time.advance(MINUTE_MS);
  expect(cluster.machine("d").running.notWritable()).toBeUndefined();
  for (const name of ["a", "b", "d"]) {
    const { watermark } = cluster.machine(name).running.keeper.completeness;
    expect(watermark).toBeLessThan(version?.time ?? 0);
  }
});

test("a newcomer takes what is older than the floor, and no loss is suspected", async () => {
  const cluster = new VirtualCluster(platform, 22);
  await cluster.start("a", "b");
  await cluster.put("a", "old", "v");
  await cluster.time.advance(10 * MINUTE_MS);
  await cluster.run("c", ["a:1"]);
  await cluster.converged("a", "b", "c");
  expect(cluster.read("c", "old")).toBe("v");
  expect(cluster.events("silent_loss_suspected")).toEqual([]);
});

test("a newcomer that was stopped before it found anyone still joins when it is started again", async () => {
  const cluster = new VirtualCluster(platform, 23);
  await cluster.run("b", ["a:1"]);
  await cluster.time.advance(5000);
  expect(cluster.machine("b").running.notWritable()).toMatchObject({ code: "joining" });
  await cluster.stop("b");
  await cluster.start("a");
  const { id } = await cluster.run("b", ["a:1"]);
  await cluster.time.until(
    "b is a member",
    () => cluster.machine("b").running.notWritable() === undefined,
    MINUTE_MS,
  );
  expect(cluster.machine("a").running.membership.stateOf(id)).toBe("alive");
  await cluster.put("b", "k", "v");
  await cluster.converged("a", "b");
});

test("a newcomer that came while the disks of all others were full is recorded once there is room", async () => {
  const cluster = new VirtualCluster(platform, 24);
  await cluster.start("a", "b");
  await cluster.time.advance(10_000);
  const disks = ["a", "b"].map((name) => cluster.machine(name).disk);
  for (const disk of disks) disk.isFull = true;
  const joiner = await cluster.run("c", ["a:1"]);
  await cluster.time.advance(20_000);
  expect(joiner.notWritable()).toEqual({ code: "joining", recordedBy: 0, needed: 2 });
  for (const disk of disks) disk.isFull = false;
  await cluster.time.until("c takes writes", () => joiner.notWritable() === undefined, 30_000);
});

test("newcomers take no writes on each other's word: the one that counts may not know of them after a crash", async () => {
  const cluster = new VirtualCluster(platform, 25, { tombstoneRetentionMs: 20_000 });
  const newcomers = ["b", "c", "d"];
  await cluster.start("a");
  await cluster.time.advance(10_000);
  cluster.machine("a").disk.isFull = true;
  for (const name of newcomers) await cluster.run(name, ["a:1"]);
  await cluster.time.advance(20_000);
  for (const name of newcomers) {
    expect(cluster.machine(name).running.membership.counted().ids).toHaveLength(4);
    expect(cluster.machine(name).running.notWritable()).toEqual({
      code: "joining",
      recordedBy: 0,
      needed: 1,
    });
  }
  cluster.partition(["a"], newcomers);
  await cluster.kill("a");
  cluster.machine("a").disk.isFull = false;
  await cluster.run("a", []);
  await cluster.time.advance(MINUTE_MS);
  // It knows of nobody else, and its watermark and floor have gone on.
  expect(cluster.machine("a").running.size).toBe(1);
  cluster.heal();
  await cluster.time.until(
    "all take writes",
    () => newcomers.every((name) => cluster.machine(name).running.notWritable() === undefined),
    MINUTE_MS,
  );
  await cluster.put("b", "k", "v");
  await cluster.converged("a", ...newcomers);
  expect(cluster.read("a", "k")).toBe("v");
});

test("newcomers of whom nobody counts yet, because all lost what they had, go on by each other's word", async () => {
  const cluster = new VirtualCluster(platform, 26);
  const names = ["a", "b", "c"];
  for (const name of names) {
    await cluster.run(
      name,
      names.filter((other) => other !== name).map((other) => `${other}:1`),
    );
  }
  await cluster.time.until(
    "all take writes",
    () => names.every((name) => cluster.machine(name).running.notWritable() === undefined),
    MINUTE_MS,
  );
});

test("a node that was alone does not lose what it holds to a cluster that would take it for deleted", async () => {
  const cluster = new VirtualCluster(platform, 27, { tombstoneRetentionMs: 20_000 });
  await cluster.run("a", []);
  await cluster.put("a", "old", "v");
  await cluster.stop("a");
  await cluster.run("b", []);
  await cluster.time.advance(MINUTE_MS);
  await cluster.run("a", ["b:1"]);
  await cluster.time.advance(MINUTE_MS);
  expect(cluster.machine("a").running.notWritable()).toMatchObject({ code: "data_too_old", by: "b:1" });
  expect([cluster.read("a", "old"), cluster.machine("b").running.size]).toEqual(["v", 1]);
});

test("a node that was alone brings no watermark into a cluster that it enters, and purges nothing there", async () => {
  const cluster = new VirtualCluster(platform, 28, { tombstoneRetentionMs: 20_000 });
  await cluster.start("a", "b", "c");
  await cluster.time.advance(10_000);
  await cluster.kill("c");
  const version = parseVersion(await cluster.put("a", "k", "c lacks it"));
  await cluster.time.advance(MINUTE_MS);
  const before = cluster.machine("a").running.standing;
  await cluster.run("d", []);
  await cluster.time.advance(MINUTE_MS);
  await cluster.stop("d");
  await cluster.run("d", ["a:1"]);
  await cluster.time.advance(MINUTE_MS);
  expect(cluster.machine("d").running.notWritable()).toBeUndefined();
  for (const name of ["a", "b", "d"]) {
    const { keeper, standing } = cluster.machine(name).running;
    expect(keeper.completeness.watermark).toBeLessThan(version?.time ?? 0);
    expect(standing).toEqual(before);
  }
});

test("a newcomer that has been pinged by one member, and has not heard of the others yet, is none by that one's word", async () => {
  const cluster = new VirtualCluster(platform, 29);
  await cluster.start("a", "b", "c", "d");
  await cluster.time.advance(MINUTE_MS);
  cluster.partition(["e"], ["b", "c", "d"]);
  const withoutTables: Hooks = {
    memberPorts: (ports, { name }) => {
      if (name !== "e") return undefined;
      const { transport } = ports;
      const request: typeof transport.request = async (to, message, timeoutMs) => {
        const reply = await transport.request(to, message, timeoutMs);
        return message.kind === "push-pull" ? await new Promise(() => undefined) : reply;
      };
      return { ...ports, transport: { request } };
    },
  };
  cluster.hooks.push(withoutTables);
  const e = await cluster.run("e", ["a:1"]);
  await cluster.time.until("a has pinged it", () => e.membership.members().length === 2, 10_000);
  await cluster.time.advance(3_000);
  expect(e.notWritable()).toMatchObject({ code: "joining", recordedBy: 0 });
  cluster.heal();
  // The members bring their tables.
  await cluster.time.until("e takes writes", () => e.notWritable() === undefined, MINUTE_MS);
  expect(e.membership.members()).toHaveLength(5);
});

test("a node that was alone brings nothing that a member who is down keeps from being purged: it may be forgotten meanwhile", async () => {
  const cluster = new VirtualCluster(platform, 30, { tombstoneRetentionMs: 20_000 });
  await cluster.start("a", "b", "c");
  await cluster.time.advance(10_000);
  const { id } = cluster.machine("c").running;
  await cluster.kill("c");
  await cluster.run("d", []);
  await cluster.put("d", "old", "v");
  await cluster.time.advance(MINUTE_MS);
  await cluster.stop("d");
  for (const name of ["a", "b"]) cluster.links.delay("d:1", `${name}:1`, 300);
  const forgotten = cluster.machine("b").running.forget(id);
  await cluster.run("d", ["a:1"]);
  await cluster.time.advance(MINUTE_MS);
  await forgotten;
  expect(cluster.machine("d").running.notWritable()).toMatchObject({
    code: "data_too_old",
    reason: "too_old",
  });
  expect([cluster.read("d", "old"), ...cluster.events("ghost_quarantined")]).toEqual(["v"]);
});

test("a node that was alone, and is let in too late for what it brings, is not recorded any more and keeps it", async () => {
  const cluster = new VirtualCluster(platform, 31, { tombstoneRetentionMs: 20_000 });
  await cluster.start("a", "b");
  await cluster.run("d", []);
  await cluster.put("d", "old", "v");
  await cluster.stop("d");
  let areTablesLost = true;
  cluster.hooks.push({
    memberPorts: (ports, { name }) => {
      if (name !== "d") return undefined;
      const { transport } = ports;
      const request: typeof transport.request = async (to, message, timeoutMs) => {
        if (message.kind === "push-pull" && areTablesLost) throw new PeerFault({ code: "unreachable" });
        return await transport.request(to, message, timeoutMs);
      };
      return { ...ports, transport: { request } };
    },
  });
  const d = await cluster.run("d", ["a:1"]);
  await cluster.time.advance(5_000);
  expect(d.keeper.letInAt).toEqual(["a:1"]);
  await cluster.time.advance(MINUTE_MS);
  areTablesLost = false;
  await cluster.time.advance(MINUTE_MS);
  expect(d.notWritable()).toMatchObject({ code: "data_too_old", reason: "too_old" });
  expect([cluster.read("d", "old"), cluster.machine("a").running.size]).toEqual(["v", 2]);
});

test("a node that was let in with what has become too old is not recorded by a member that looks at its address for another one", async () => {
  const cluster = new VirtualCluster(platform, 32, { tombstoneRetentionMs: 20_000 });
  await cluster.start("a", "b", "d");
  const { id } = cluster.machine("d").running;
  await cluster.kill("d");
  cluster.wipe("d");
  await cluster.run("d", []);
  await cluster.put("d", "old", "v");
  await cluster.stop("d");
  let areTablesLost = true;
  const isLost = (name: string, to: string): boolean => areTablesLost && (name === "d" || to === "d:1");
  cluster.hooks.push({
    memberPorts: (ports, { name }) => {
      const { transport } = ports;
      const request: typeof transport.request = async (to, message, timeoutMs) => {
        if (message.kind === "push-pull" && isLost(name, to.address))
          throw new PeerFault({ code: "unreachable" });
        return await transport.request(to, message, timeoutMs);
      };
      return { ...ports, transport: { request } };
    },
  });
  for (const name of ["a", "b"]) {
    await cluster.stop(name);
    await cluster.run(name, []);
  }
  const d = await cluster.run("d", ["b:1"]);
  await cluster.time.advance(MINUTE_MS);
  expect([d.notWritable()?.code, d.keeper.letInAt]).toEqual(["data_too_old", ["b:1"]]);
  areTablesLost = false;
  const forgotten = cluster.machine("b").running.forget(id);
  // Its own look at that address is of before.
  await cluster.time.advance(1500);
  const found = cluster.machine("a").running.membership.exchangeTables({ id: "", address: "d:1" });
  await cluster.time.advance(MINUTE_MS);
  await Promise.all([forgotten, found]);
  expect([cluster.read("d", "old"), cluster.machine("a").running.size]).toEqual(["v", 2]);
});

test("a node that is recorded in time by one that is cut off then, and too late for another, goes on to join when it hears of that", async () => {
  const cluster = new VirtualCluster(platform, 33, { tombstoneRetentionMs: 20_000 });
  await cluster.start("a", "b");
  await cluster.run("d", []);
  await cluster.put("d", "old", "v");
  await cluster.stop("d");
  // Less than an eighth of the retention is left.
  await cluster.time.advance(15_000);
  let isFirst = true;
  cluster.hooks.push({
    memberPorts: (ports, { name }) => {
      if (name !== "d") return undefined;
      const { transport } = ports;
      const request: typeof transport.request = async (to, message, timeoutMs) => {
        const reply = await transport.request(to, message, timeoutMs);
        if (message.kind !== "push-pull" || !isFirst) return reply;
        isFirst = false;
        cluster.partition(["a"], ["b", "d"]);
        throw new PeerFault({ code: "unreachable" });
      };
      return { ...ports, transport: { request } };
    },
  });
  const d = await cluster.run("d", ["a:1", "b:1"]);
  await cluster.time.until("d is not let in", () => d.joiningState.kind === "not_let_in", MINUTE_MS);
  expect(cluster.machine("a").running.membership.stateOf(d.id)).toBeDefined();
  cluster.heal();
  await cluster.time.until("d takes writes", () => d.notWritable() === undefined, MINUTE_MS);
  await cluster.converged("a", "b", "d");
  for (const name of ["a", "b", "d"]) expect(cluster.read(name, "old")).toBe("v");
  expect(cluster.events("ghost_quarantined")).toEqual([]);
});
