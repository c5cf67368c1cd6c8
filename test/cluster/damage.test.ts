import { platform } from "@hearsay/cli/simulation-platform";
import { encodeUtf8 } from "@hearsay/core";
import { VirtualCluster } from "@hearsay/simulator";
import type { Database } from "@hearsay/store";
import { expect, test } from "vitest";

/** Flips a bit in the stored record of a key, or in a value of the node's own, behind the back of a node that is stopped. */
async function damage(
  cluster: VirtualCluster,
  name: string,
  key: string,
  space: "r" | "m" = "r",
): Promise<void> {
  const database = await cluster.machine(name).disk.open();
  const at = Buffer.concat([Buffer.from(space), encodeUtf8(key)]);
  const bytes = database.getSync(at)?.slice();
  if (bytes === undefined) throw new Error(`${name} holds no ${key}`);
  bytes[bytes.length >> 1] = (bytes[bytes.length >> 1] ?? 0) ^ 4;
  const batch = database.batch();
  batch.put(at, bytes);
  await batch.write({ sync: true });
}

/** Finds the damage as a reader does, and starts again as the server then does. */
async function readAndRestart(cluster: VirtualCluster, name: string, key: string): Promise<void> {
  expect(() => cluster.read(name, key)).toThrow("damaged");
  await cluster.kill(name);
  await cluster.run(name, []);
}

test("a record found damaged is fetched from a peer, under a new incarnation that claims nothing it has not confirmed", async () => {
  const cluster = new VirtualCluster(platform, 1);
  await cluster.start("a", "b", "c");
  for (let i = 0; i < 20; i++) await cluster.put("a", `k${i}`, `value ${i}`);
  await cluster.converged("a", "b", "c");
  const before = cluster.machine("c").running.id;
  await cluster.stop("c");
  await damage(cluster, "c", "k7");
  await cluster.run("c", []);
  await readAndRestart(cluster, "c", "k7");
  const { running } = cluster.machine("c");
  expect(running.id).not.toBe(before);
  expect(running.standing.complete && running.standing.floor > 0).toBe(false);
  expect(running.keeper.completeness.state.vector.size).toBe(0);
  await cluster.converged("a", "b", "c");
  expect(cluster.read("c", "k7")).toBe("value 7");
  expect(cluster.machine("c").store?.stats().damaged).toBe(0);
  await cluster.time.until(
    "the old id is retired everywhere",
    () => ["a", "b"].every((name) => cluster.machine(name).running.membership.isRetired(before)),
    60_000,
  );
  expect(cluster.events("damaged_versions_missing")).toEqual([]);
});

test("a damaged record of which nobody has the newest version takes what the others have, and says what is missing", async () => {
  const cluster = new VirtualCluster(platform, 2);
  await cluster.start("a", "b", "c");
  await cluster.put("a", "k", "first");
  await cluster.converged("a", "b", "c");
  cluster.partition(["c"], ["a", "b"]);
  await cluster.put("c", "k", "known to c alone");
  await cluster.stop("c");
  await damage(cluster, "c", "k");
  await cluster.run("c", []);
  await readAndRestart(cluster, "c", "k");
  cluster.heal();
  await cluster.converged("a", "b", "c");
  expect(cluster.read("c", "k")).toBe("first");
  expect(cluster.events("damaged_versions_missing")).toEqual(["c"]);
  expect(cluster.machine("c").store?.stats().damaged).toBe(0);
});

test("a rumor about a record that is damaged here heals it at once", async () => {
  const cluster = new VirtualCluster(platform, 3);
  await cluster.start("a", "b");
  await cluster.put("a", "k", "first");
  await cluster.converged("a", "b");
  await cluster.stop("b");
  await damage(cluster, "b", "k");
  await cluster.run("b", []);
  await cluster.time.advance(5000);
  await cluster.put("a", "k", "second");
  await cluster.time.advance(50);
  expect(cluster.read("b", "k")).toBe("second");
});

test("a key that was purged everywhere is damaged no longer than until an exchange with a complete member", async () => {
  const cluster = new VirtualCluster(platform, 4, { tombstoneRetentionMs: 20_000 });
  await cluster.start("a", "b", "c");
  for (let i = 0; i < 20; i++) await cluster.put("a", `k${i}`, `value ${i}`);
  await cluster.converged("a", "b", "c");
  const entry = await indexEntry(cluster, "c", "k7");
  await cluster.remove("a", "k7");
  await cluster.time.until(
    "k7 is purged everywhere",
    () => ["a", "b", "c"].every((name) => cluster.machine(name).store?.get("k7") === undefined),
    10 * 60_000,
  );
  await cluster.time.advance(30_000);
  // As salvage leaves it when the newer table is lost: the index names what the records do not hold.
  await cluster.kill("c");
  const batch = (await cluster.machine("c").disk.open()).batch();
  batch.put(...entry);
  await batch.write({ sync: true });
  await cluster.run("c", []);
  expect(cluster.machine("c").store?.stats().damaged).toBe(1);
  expect(() => cluster.read("c", "k7")).toThrow("damaged");
  await cluster.converged("a", "b", "c");
  await cluster.time.until(
    "c knows that nothing is missing",
    () => cluster.machine("c").store?.stats().damaged === 0,
    60_000,
  );
  expect(cluster.read("c", "k7")).toBeUndefined();
  expect(cluster.events("damaged_dropped")).toEqual(["c"]);
});

test("a key of which only the quarantine knows, purged everywhere, is damaged for a bounded time, however often the node is killed", async () => {
  const retentionMs = 20_000;
  const cluster = new VirtualCluster(platform, 5, { tombstoneRetentionMs: retentionMs });
  await cluster.start("a", "b", "c");
  await cluster.put("a", "k", "value");
  await cluster.converged("a", "b", "c");
  await cluster.remove("a", "k");
  await cluster.time.until(
    "k is purged everywhere",
    () => ["a", "b", "c"].every((name) => cluster.machine(name).store?.stats().records === 0),
    10 * 60_000,
  );
  await cluster.kill("c");
  await onlyQuarantineKnows(cluster, "c", "k");
  const startedMs = cluster.time.monotonicMs();
  await cluster.run("c", []);
  const { id } = cluster.machine("c").running;
  expect(() => cluster.read("c", "k")).toThrow("damaged");
  // Never up for as long as the retention.
  while (cluster.machine("c").store?.stats().damaged !== 0) {
    expect(cluster.time.monotonicMs() - startedMs).toBeLessThan(5 * retentionMs);
    await cluster.kill("c");
    await cluster.run("c", []);
    await cluster.time.advance(retentionMs / 3);
  }
  expect(cluster.machine("c").running.id).toBe(id);
  expect(cluster.time.monotonicMs() - startedMs).toBeGreaterThan(retentionMs);
  expect(cluster.read("c", "k")).toBeUndefined();
  expect(cluster.events("damaged_dropped")).toEqual(["c"]);
});

test("a key of which only the quarantine knows is fetched from a peer that holds it", async () => {
  const cluster = new VirtualCluster(platform, 6);
  await cluster.start("a", "b");
  await cluster.put("a", "k", "value");
  await cluster.converged("a", "b");
  await cluster.kill("b");
  await onlyQuarantineKnows(cluster, "b", "k");
  await cluster.run("b", []);
  expect(() => cluster.read("b", "k")).toThrow("damaged");
  await cluster.converged("a", "b");
  expect(cluster.read("b", "k")).toBe("value");
  expect(cluster.machine("b").store?.stats().damaged).toBe(0);
});

/** As a salvage leaves a key whose record and index entry lay in a table that was lost; the directory is in doubt as it is then. */
async function onlyQuarantineKnows(cluster: VirtualCluster, name: string, key: string): Promise<void> {
  const { disk } = cluster.machine(name);
  const database = await disk.open();
  const text = Buffer.from(encodeUtf8(key));
  const batch = database.batch();
  batch.put(Buffer.concat([Buffer.from("q"), text]), new Uint8Array(0));
  batch.del(Buffer.concat([Buffer.from("r"), text]));
  const index = await indexEntries(database);
  for (const [at] of index) if (Buffer.from(at).subarray(3).equals(text)) batch.del(at);
  await batch.write({ sync: true });
  disk.directory += 1;
}

async function indexEntries(database: Database): Promise<[Uint8Array, Uint8Array][]> {
  const iterator = database.iterator({
    gte: Buffer.from("i"),
    lt: Buffer.from("j"),
    reverse: false,
    highWaterMarkBytes: 1024 * 1024,
  });
  const entries = await iterator.nextv(1000);
  await iterator.close();
  return entries;
}

/** The index entry of a key as it is stored. */
async function indexEntry(
  cluster: VirtualCluster,
  name: string,
  key: string,
): Promise<[Uint8Array, Uint8Array]> {
  await cluster.stop(name);
  const database = await cluster.machine(name).disk.open();
  const text = Buffer.from(encodeUtf8(key));
  const entries = await indexEntries(database);
  const found = entries.find(([at]) => Buffer.from(at).subarray(3).equals(text));
  if (found === undefined) throw new Error(`${name} has no index entry of ${key}`);
  await cluster.run(name, []);
  return [found[0].slice(), found[1].slice()];
}

test.each(["members", "completeness"])(
  "a node whose %s cannot be read does not start as if it had never had any, and goes on alone only when it is told to",
  async (own) => {
    const cluster = new VirtualCluster(platform, 6);
    await cluster.start("a", "b");
    await cluster.put("a", "k", "v");
    await cluster.converged("a", "b");
    await cluster.kill("a");
    await damage(cluster, "a", own, "m");
    for (let start = 0; start < 2; start++) {
      await expect(cluster.run("a", [])).rejects.toMatchObject({ fault: { code: "membership_unreadable" } });
    }
    cluster.machine("a").resetAlone();
    const a = await cluster.run("a", []);
    expect([a.notWritable(), a.size, cluster.read("a", "k")]).toEqual([undefined, 1, "v"]);
  },
);
