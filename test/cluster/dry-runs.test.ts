import { platform } from "@hearsay/cli/simulation-platform";
import { ANTI_ENTROPY_DEFAULTS, type Peer } from "@hearsay/core";
import { type Comparison, EXCHANGE_LIMITS, type ExchangeProgress, PeerFault } from "@hearsay/node";
import { VirtualCluster } from "@hearsay/simulator";
import { expect, test } from "vitest";

/** Only exchanges that a test starts. */
const BY_HAND = { antiEntropy: { ...ANTI_ENTROPY_DEFAULTS, intervalMs: 3_600_000 } };

/** Two nodes that hold different things, on links that work again. */
async function differing(seed: number): Promise<VirtualCluster> {
  const cluster = new VirtualCluster(platform, seed, BY_HAND);
  await cluster.start("a", "b");
  await cluster.put("a", "same", "v");
  await cluster.put("a", "newer here", "1");
  await cluster.put("a", "newer there", "1");
  await cluster.time.advance(1000);
  cluster.partition(["a"], ["b"]);
  await cluster.put("a", "only here", "v");
  await cluster.put("b", "only there", "v");
  await cluster.put("a", "newer here", "2");
  await cluster.put("b", "newer there", "2");
  await cluster.remove("b", "deleted there");
  await cluster.time.advance(1000);
  cluster.heal();
  return cluster;
}

function peerOf(cluster: VirtualCluster, name: string): Peer {
  const { id } = cluster.machine(name).running;
  return { id, address: cluster.machine(name).address };
}

async function compare(cluster: VirtualCluster, limit: number): Promise<Comparison> {
  const comparing = cluster.machine("a").running.repair.compare(peerOf(cluster, "b"), limit);
  await cluster.time.advance(1000);
  return await comparing;
}

test("a dry run names the keys that differ and the newer side, and changes nothing on either", async () => {
  const cluster = await differing(51);
  const [a, b] = [cluster.machine("a"), cluster.machine("b")];
  const before = await Promise.all([a.store?.root(), b.store?.root()]);
  const known = [a, b].map(({ running }) => running.keeper.completeness.state);
  const { keys, differences } = await compare(cluster, 100);
  const newer = differences.map(({ key, here, there }) => [
    key,
    (here ?? 0) > (there ?? 0) ? "here" : "there",
    here === null || there === null ? "alone" : "both",
  ]);
  expect(newer.sort()).toEqual([
    ["deleted there", "there", "alone"],
    ["newer here", "here", "both"],
    ["newer there", "there", "both"],
    ["only here", "here", "alone"],
    ["only there", "there", "alone"],
  ]);
  expect(keys).toBe(5);
  expect(await Promise.all([a.store?.root(), b.store?.root()])).toEqual(before);
  expect([a, b].map(({ running }) => running.keeper.completeness.state)).toEqual(known);
  expect(b.running.repair.answering).toBe(0);
});

test("a dry run counts all keys that differ and names no more than asked for", async () => {
  const cluster = await differing(52);
  const { keys, differences } = await compare(cluster, 2);
  expect([keys, differences.length]).toEqual([5, 2]);
});

test("a dry run between equals says so at the first answer", async () => {
  const cluster = new VirtualCluster(platform, 53, BY_HAND);
  await cluster.start("a", "b");
  await cluster.put("a", "k", "v");
  await cluster.time.advance(1000);
  const before = cluster.traffic.get("exchange-start")?.messages ?? 0;
  expect(await compare(cluster, 10)).toEqual({ keys: 0, differences: [] });
  expect(cluster.traffic.get("exchange-start")?.messages).toBe(before + 2);
  expect(cluster.traffic.has("exchange-compare")).toBe(false);
});

test("a dry run that cannot reach its peer says so", async () => {
  const cluster = await differing(54);
  cluster.partition(["a"], ["b"]);
  const { repair } = cluster.machine("a").running;
  const outcome = repair.compare(peerOf(cluster, "b"), 10).catch((error: unknown) => error);
  await cluster.time.advance(1000);
  expect(await outcome).toBeInstanceOf(PeerFault);
});

test("a repair tells how it comes along, and afterwards nothing differs", async () => {
  const cluster = new VirtualCluster(platform, 55, {
    ...BY_HAND,
    exchange: { ...EXCHANGE_LIMITS, maxMessageBytes: 2048 },
  });
  await cluster.start("a", "b");
  cluster.partition(["a"], ["b"]);
  for (let i = 0; i < 100; i++) {
    await cluster.put("a", `left-${i}`, "l".repeat(100));
    await cluster.put("b", `right-${i}`, "r".repeat(100));
  }
  await cluster.time.advance(1000);
  cluster.heal();
  expect((await compare(cluster, 10)).keys).toBe(200);
  const told: ExchangeProgress[] = [];
  const { repair } = cluster.machine("a").running;
  const repairing = repair.exchange(peerOf(cluster, "b"), (progress) => told.push(progress));
  await cluster.time.advance(5000);
  expect(await repairing).toMatchObject({ equal: false, keysSent: 100, keysReceived: 100 });
  expect(told.length).toBeGreaterThan(10);
  const moved = told.map(({ keysSent, keysReceived }) => keysSent + keysReceived);
  expect(moved).toEqual([...moved].sort((x, y) => x - y));
  expect(told.at(-1)).toMatchObject({ keysLeft: 0 });
  expect(repair.progress(peerOf(cluster, "b").id)).toBeUndefined();
  expect((await compare(cluster, 10)).keys).toBe(0);
});
