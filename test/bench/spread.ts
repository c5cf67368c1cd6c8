/** How soon a write that was acknowledged on one node is readable on all, and how often its value was sent for that. */
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Arrivals } from "./arrivals.ts";
import { diskStalledPercent } from "./disk.ts";
import { BenchCluster, pause, percentile, put } from "./nodes.ts";
import { print } from "./report.ts";
import { watchStalls } from "./stalls.ts";

interface Setting {
  readonly nodes: number;
  readonly perProcess: number;
  readonly writesPerSecond: number;
  readonly seconds: number;
  readonly atMostMs: number;
}

/** The same load before anything is counted: a process just started runs code that is not compiled yet. */
const WARM_UP_SECONDS = 15;

const SETTINGS: readonly Setting[] = [
  {
    nodes: 3,
    perProcess: 1,
    writesPerSecond: 500,
    seconds: 20,
    atMostMs: 10,
  },
  {
    nodes: 32,
    perProcess: 8,
    writesPerSecond: 20,
    seconds: 20,
    atMostMs: 100,
  },
];

export async function spread(): Promise<void> {
  for (const setting of SETTINGS) {
    const directory = await mkdtemp(join(tmpdir(), "hearsay-bench-"));
    const cluster = await BenchCluster.start(directory, setting.nodes, setting.perProcess);
    try {
      await load(cluster, setting, "warm", WARM_UP_SECONDS);
      const before = await diskStalledPercent(directory);
      await measure(cluster, setting);
      const after = await diskStalledPercent(directory);
      const disk = `${setting.nodes} nodes: time the disk alone stood still for over 5 ms`;
      print({ name: `${disk}, before`, value: before, unit: "%", target: undefined });
      print({ name: `${disk}, after`, value: after, unit: "%", target: undefined });
    } finally {
      await cluster.stop();
      await rm(directory, { recursive: true });
    }
  }
}

async function measure(cluster: BenchCluster, setting: Setting): Promise<void> {
  const { nodes, perProcess, writesPerSecond, seconds, atMostMs } = setting;
  const before = await counters(cluster);
  const ownPercent = watchStalls();
  await cluster.stalledPercent();
  const delays = await load(cluster, setting, "spread", seconds);
  const stalled = { own: ownPercent(), worst: await cluster.stalledPercent() };
  await pause(2000);
  const after = await counters(cluster);
  const where = perProcess === 1 ? "each a process" : `${perProcess} a process`;
  const what = `${nodes} nodes, ${where}, ${writesPerSecond} writes/s: readable on all`;
  print({ name: `${what}, median`, value: percentile(delays, 0.5), unit: "ms", target: undefined });
  print({ name: `${what}, p99`, value: percentile(delays, 0.99), unit: "ms", target: { atMost: atMostMs } });
  const still = `${nodes} nodes: time an event loop stood still for over 5 ms`;
  print({ name: `${still}, the worst of nodes`, value: stalled.worst, unit: "%", target: undefined });
  print({ name: `${still}, the benchmark's own`, value: stalled.own, unit: "%", target: undefined });
  const copies = (after.records - before.records) / (nodes * writesPerSecond * seconds);
  print({
    name: `${nodes} nodes: copies of a value sent, a node and write`,
    value: copies,
    unit: "",
    target: { atMost: 2 },
  });
}

/**
 * Writes at the setting's rate. Asking for each write until it is there would cost more than the spreading, so a watch
 * on each node says when; what it takes to tell is counted in.
 * @returns how long after its acknowledgement each write was readable on all
 */
async function load(
  cluster: BenchCluster,
  { nodes, writesPerSecond }: Setting,
  prefix: string,
  seconds: number,
): Promise<readonly number[]> {
  const arrivals = await Promise.all(cluster.nodes.map((node) => Arrivals.of(node, `${prefix}/`)));
  const writes: Promise<number>[] = [];
  const begun = performance.now();
  const total = writesPerSecond * seconds;
  for (let i = 0; i < total; i++) {
    const dueMs = begun + (i * 1000) / writesPerSecond;
    const early = dueMs - performance.now();
    if (early > 0) await pause(early);
    const writer = cluster.nodes[i % nodes];
    if (writer === undefined) continue;
    const key = `${prefix}/${i}`;
    writes.push(
      put(writer, key, "v".repeat(100)).then(async () => {
        const acknowledged = performance.now();
        const told = await Promise.all(arrivals.map(async (each) => await each.at(key)));
        return Math.max(0, Math.max(...told) - acknowledged);
      }),
    );
  }
  const delays = await Promise.all(writes);
  for (const each of arrivals) await each.close();
  return delays;
}

/** Sums of a cluster's counters. */
async function counters(cluster: BenchCluster): Promise<{ readonly records: number }> {
  let records = 0;
  for (const node of cluster.nodes) {
    const answer = await node.pool.request({ method: "GET", path: "/metrics" });
    const text = await answer.body.text();
    const found = /^hearsay_rumor_records_total (\d+)/m.exec(text)?.[1];
    if (found === undefined)
      throw new Error(`${node.url} answered ${answer.statusCode} and counts no records of rumors`);
    records += Number(found);
  }
  return { records };
}
