/** Deleted values that old copies of directories bring back: who may judge them, and on whose word. */

import { platform } from "@hearsay/cli/simulation-platform";
import { ANTI_ENTROPY_DEFAULTS } from "@hearsay/core";
import { VirtualCluster } from "@hearsay/simulator";
import { describe, expect, test } from "vitest";

/** The contents of a data directory at one time. */
type DirectoryCopy = Awaited<ReturnType<VirtualCluster["copyDirectory"]>>;

const MINUTE_MS = 60_000;
const HOUR_MS = 60 * MINUTE_MS;
const NAMES = ["a", "b", "c"];

/** Exchanges only when the test says so. */
const BY_HAND = { antiEntropy: { ...ANTI_ENTROPY_DEFAULTS, intervalMs: HOUR_MS } };

async function writable(cluster: VirtualCluster, ...names: readonly string[]): Promise<void> {
  await cluster.time.until(
    `${names.join(", ")} take writes`,
    () => names.every((name) => cluster.machine(name).running.notWritable() === undefined),
    2 * MINUTE_MS,
  );
}

async function copyOf(cluster: VirtualCluster, name: string): Promise<DirectoryCopy> {
  await cluster.stop(name);
  const copy = await cluster.copyDirectory(name);
  await cluster.run(name, []);
  return copy;
}

async function restore(cluster: VirtualCluster, name: string, copy: DirectoryCopy): Promise<void> {
  await cluster.kill(name);
  await cluster.restoreDirectory(name, copy);
  await cluster.run(name, []);
}

async function purgedEverywhere(cluster: VirtualCluster, key: string): Promise<void> {
  await cluster.time.until(
    `the tombstone of ${key} is purged everywhere`,
    () => NAMES.every((name) => cluster.machine(name).store?.get(key) === undefined),
    20 * MINUTE_MS,
  );
}

/** One exchange, begun by the first. @returns whether it came to its end */
async function exchange(cluster: VirtualCluster, by: string, peer: string): Promise<boolean> {
  const { running } = cluster.machine(by);
  const member = running.membership.peer(cluster.machine(peer).running.id);
  if (member === undefined) throw new Error(`${by} does not know ${peer}`);
  const ended = running.exchange(member).then(
    () => true,
    () => false,
  );
  await cluster.time.advance(500);
  return await ended;
}

async function keptAside(cluster: VirtualCluster, name: string): Promise<string[]> {
  const machine = cluster.machine(name);
  const found: string[] = [];
  for await (const { key, kept } of machine.store?.ghosts() ?? []) {
    const ageMs = machine.nowMs() - (kept?.atMs ?? 0);
    found.push(`${key} was ${kept?.why} ${ageMs >= 0 && ageMs < 1000 ? "just now" : `${ageMs} ms ago`}`);
  }
  return found;
}

function isComplete(cluster: VirtualCluster, name: string): boolean {
  return cluster.machine(name).running.standing.complete;
}

async function allComplete(cluster: VirtualCluster): Promise<void> {
  await cluster.time.until(
    "all are complete",
    () => NAMES.every((name) => isComplete(cluster, name)),
    5 * MINUTE_MS,
  );
}

async function allKnown(cluster: VirtualCluster): Promise<void> {
  await cluster.time.until(
    "all know each other's new incarnations",
    () => {
      const ids = NAMES.map((name) => cluster.machine(name).running.id).sort();
      return NAMES.every(
        (name) => cluster.machine(name).running.membership.counted().ids.join() === ids.join(),
      );
    },
    2 * MINUTE_MS,
  );
}

/** x is deleted and its tombstone purged; a and b are then old copies of before, with x, that meet nobody by themselves. */
async function twoOldCopies(seed: number): Promise<VirtualCluster> {
  const cluster = new VirtualCluster(platform, seed);
  await cluster.start(...NAMES);
  await cluster.put("a", "x", "deleted since");
  await cluster.converged(...NAMES);
  const copies = [await copyOf(cluster, "a"), await copyOf(cluster, "b")] as const;
  await writable(cluster, ...NAMES);
  await cluster.remove("c", "x");
  await purgedEverywhere(cluster, "x");
  await allComplete(cluster);
  for (const name of NAMES) cluster.machine(name).overrides = BY_HAND;
  await cluster.stop("c");
  await cluster.run("c", []);
  await restore(cluster, "a", copies[0]);
  await restore(cluster, "b", copies[1]);
  await writable(cluster, ...NAMES);
  await allKnown(cluster);
  return cluster;
}

describe("of three nodes, two come back as old copies with a value that was deleted and purged:", () => {
  test("one that has dropped it and takes it again from the other does not judge it, and it stays deleted", async () => {
    const cluster = await twoOldCopies(61);
    expect(NAMES.map((name) => cluster.read(name, "x"))).toEqual([
      "deleted since",
      "deleted since",
      undefined,
    ]);
    await exchange(cluster, "b", "c");
    expect(cluster.read("b", "x")).toBeUndefined();
    expect(await keptAside(cluster, "b")).toEqual(["x was dropped just now"]);
    expect(await keptAside(cluster, "c")).toEqual(["x was refused just now"]);
    await exchange(cluster, "b", "a");
    // A round of what each says of itself: enough for a vector to reach the floor.
    await cluster.time.advance(5000);
    await exchange(cluster, "b", "c");
    for (const name of ["a", "b"]) await exchange(cluster, name, "c");
    expect(NAMES.map((name) => cluster.read(name, "x"))).toEqual([undefined, undefined, undefined]);
    expect(cluster.events("silent_loss_suspected")).toEqual([]);
    await allComplete(cluster);
    expect(await cluster.agree(...NAMES)).toBe(true);
  });
});

describe("an old copy of a directory with a value that was deleted and purged", () => {
  /** c is an old copy; the others are complete, and up or down. */
  async function oneOldCopy(seed: number, others: "up" | "down"): Promise<VirtualCluster> {
    const cluster = new VirtualCluster(platform, seed);
    await cluster.start(...NAMES);
    await cluster.put("a", "x", "deleted since");
    await cluster.converged(...NAMES);
    const copy = await copyOf(cluster, "c");
    await writable(cluster, ...NAMES);
    await cluster.remove("a", "x");
    await purgedEverywhere(cluster, "x");
    await allComplete(cluster);
    for (const name of NAMES) cluster.machine(name).overrides = BY_HAND;
    for (const name of ["a", "b"]) {
      await cluster.stop(name);
      if (others === "up") await cluster.run(name, []);
    }
    await restore(cluster, "c", copy);
    return cluster;
  }

  test("is told by one exchange with a complete node, also while another member is down for days", async () => {
    const cluster = await oneOldCopy(62, "up");
    await writable(cluster, "c");
    await cluster.kill("b");
    await cluster.time.advance(10 * MINUTE_MS);
    expect([isComplete(cluster, "c"), cluster.read("c", "x")]).toEqual([false, "deleted since"]);
    // The first brings both to one floor, if they stand at two.
    for (let turn = 0; turn < 2; turn++) await exchange(cluster, "c", "a");
    expect([isComplete(cluster, "c"), cluster.read("c", "x")]).toEqual([true, undefined]);
    expect(cluster.read("a", "x")).toBeUndefined();
  });

  test("spreads nothing old by mail, neither to those that judge nor to those that cannot", async () => {
    const cluster = await oneOldCopy(63, "up");
    await writable(cluster, "c");
    await cluster.kill("b");
    await cluster.restoreDirectory("b", await cluster.copyDirectory("b"));
    await cluster.run("b", []);
    await writable(cluster, "b");
    await allKnown(cluster);
    expect(["a", "b"].map((name) => isComplete(cluster, name))).toEqual([true, false]);
    const mailed = cluster.traffic.get("rumors")?.messages ?? 0;
    cluster.machine("c").running.spread("x", 0);
    await cluster.time.advance(5000);
    expect(cluster.traffic.get("rumors")?.messages).toBeGreaterThanOrEqual(mailed + 2);
    expect(["a", "b"].map((name) => cluster.read(name, "x"))).toEqual([undefined, undefined]);
    expect(cluster.events("ghost_quarantined")).toEqual([]);
  });

  test("takes no writes and forgets nobody before a majority has recorded its new incarnation", async () => {
    const cluster = await oneOldCopy(64, "down");
    await cluster.time.advance(MINUTE_MS);
    const { running } = cluster.machine("c");
    expect(running.notWritable()).toMatchObject({ code: "joining" });
    const [other] = running.membership.members().filter(({ id }) => id !== running.id);
    await expect(running.forget(other?.id ?? "")).rejects.toMatchObject({
      reason: { code: "unknown_member" },
    });
    for (const name of ["a", "b"]) await cluster.run(name, []);
    await writable(cluster, "c");
  });

  test("is still not recorded after a restart that comes before anyone has answered", async () => {
    const cluster = await oneOldCopy(65, "down");
    await cluster.time.advance(MINUTE_MS);
    await cluster.kill("c");
    await cluster.run("c", []);
    await cluster.time.advance(MINUTE_MS);
    expect(cluster.machine("c").running.notWritable()).toMatchObject({ code: "joining" });
    expect(isComplete(cluster, "c")).toBe(false);
  });
});

test("when all are in doubt at once they agree on what they have, say so, and are complete again", async () => {
  const cluster = new VirtualCluster(platform, 66);
  await cluster.start(...NAMES);
  await cluster.put("a", "kept", "v");
  await cluster.converged(...NAMES);
  await cluster.time.advance(2 * MINUTE_MS);
  for (const name of NAMES) await cluster.kill(name);
  for (const name of NAMES) await cluster.restoreDirectory(name, await cluster.copyDirectory(name));
  for (const name of NAMES) await cluster.run(name, []);
  expect(NAMES.some((name) => isComplete(cluster, name))).toBe(false);
  await writable(cluster, ...NAMES);
  await allComplete(cluster);
  expect(cluster.events("complete_by_agreement")).not.toEqual([]);
  for (const name of NAMES) expect(cluster.read(name, "kept")).toBe("v");
});

describe("a value that only a forgotten node had replaced, when the replacement is refused as a ghost,", () => {
  /** a and b hold the value, and c is yet to come back with what had replaced it and was given up with it. */
  async function giveUp(seed: number): Promise<VirtualCluster> {
    const cluster = new VirtualCluster(platform, seed, { tombstoneRetentionMs: 20_000 });
    await cluster.start(...NAMES);
    await cluster.put("a", "x", "held by all");
    await cluster.converged(...NAMES);
    cluster.partition(["c"], ["a", "b"]);
    await cluster.put("c", "x", "given up");
    const { id } = cluster.machine("c").running;
    await cluster.kill("c");
    cluster.heal();
    await cluster.time.advance(20_000);
    const forgetting = cluster.machine("a").running.forget(id);
    await cluster.time.advance(MINUTE_MS);
    await forgetting;
    cluster.machine("c").disk.directory += 1;
    return cluster;
  }

  function expectHeldByAll(cluster: VirtualCluster): void {
    expect(NAMES.map((name) => cluster.read(name, "x"))).toEqual(NAMES.map(() => "held by all"));
    expect(cluster.events("ghost_quarantined")).not.toEqual([]);
    expect(cluster.events("silent_loss_suspected")).toEqual([]);
  }

  test.each([61, 64, 66, 72, 81, 85, 99])(
    "stays with the others, and nobody takes it for lost (seed %d)",
    async (seed) => {
      const cluster = await giveUp(seed);
      await cluster.run("c", ["a:1", "b:1"]);
      await allComplete(cluster);
      await cluster.converged(...NAMES);
      expectHeldByAll(cluster);
    },
  );

  test.each([
    ["c", "a"],
    ["a", "c"],
  ])(
    "is with the one that gives that up when the two have exchanged (%s asks %s), and outlasts a doubt of all others",
    async (by, peer) => {
      const cluster = await giveUp(61);
      for (const name of NAMES) cluster.machine(name).overrides = BY_HAND;
      for (const name of ["a", "b"]) {
        await cluster.stop(name);
        await cluster.run(name, []);
      }
      await cluster.run("c", ["a:1", "b:1"]);
      await writable(cluster, "c");
      await allKnown(cluster);
      // The first brings both to one floor, if they stand at two.
      for (let turn = 0; turn < 2; turn++) await exchange(cluster, by, peer);
      expect([isComplete(cluster, "c"), cluster.read("c", "x")]).toEqual([true, "held by all"]);
      for (const name of ["a", "b"]) await restore(cluster, name, await copyOf(cluster, name));
      await writable(cluster, ...NAMES);
      await allKnown(cluster);
      for (const name of ["a", "b"]) await exchange(cluster, name, "c");
      expectHeldByAll(cluster);
    },
  );
});
