/** How soon a write that was acknowledged on one node is readable on all, and how often its value was sent for that. */
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { BenchCluster, type BenchNode, pause, percentile, put } from "./nodes.ts";
import { print } from "./report.ts";

interface Setting {
  readonly nodes: number;
  readonly perProcess: number;
  readonly writesPerSecond: number;
  readonly seconds: number;
  /** Every so many-th write is looked for on the other nodes. */
  readonly sampleEvery: number;
  readonly atMostMs: number;
  /** How often a node is asked for a write it does not have yet. Asking all of many nodes costs more CPU than the spreading. */
  readonly askEveryMs: number;
}

/** The same load before anything is counted: a process just started runs code that is not compiled yet. */
const WARM_UP_SECONDS = 5;

const SETTINGS: readonly Setting[] = [
  {
    nodes: 3,
    perProcess: 1,
    writesPerSecond: 500,
    seconds: 20,
    sampleEvery: 10,
    atMostMs: 10,
    askEveryMs: 1,
  },
  {
    nodes: 32,
    perProcess: 8,
    writesPerSecond: 20,
    seconds: 20,
    sampleEvery: 4,
    atMostMs: 100,
    askEveryMs: 10,
  },
];

export async function spread(): Promise<void> {
  for (const setting of SETTINGS) {
    const directory = await mkdtemp(join(tmpdir(), "hearsay-bench-"));
    const cluster = await BenchCluster.start(directory, setting.nodes, setting.perProcess);
    try {
      await load(cluster, setting, "warm", WARM_UP_SECONDS);
      await measure(cluster, setting);
    } finally {
      await cluster.stop();
      await rm(directory, { recursive: true });
    }
  }
}

async function measure(cluster: BenchCluster, setting: Setting): Promise<void> {
  const { nodes, perProcess, writesPerSecond, seconds, atMostMs } = setting;
  const before = await counters(cluster);
  const delays = await load(cluster, setting, "spread", seconds);
  await pause(2000);
  const after = await counters(cluster);
  const where = perProcess === 1 ? "each a process" : `${perProcess} a process`;
  const what = `${nodes} nodes, ${where}, ${writesPerSecond} writes/s: readable on all`;
  print({ name: `${what}, median`, value: percentile(delays, 0.5), unit: "ms", target: undefined });
  print({ name: `${what}, p99`, value: percentile(delays, 0.99), unit: "ms", target: { atMost: atMostMs } });
  const copies = (after.records - before.records) / (nodes * writesPerSecond * seconds);
  print({
    name: `${nodes} nodes: copies of a value sent, a node and write`,
    value: copies,
    unit: "",
    target: { atMost: 2 },
  });
}

/** Writes at the setting's rate. @returns how long after its acknowledgement each sampled write was readable on all */
async function load(
  cluster: BenchCluster,
  { nodes, writesPerSecond, sampleEvery, askEveryMs }: Setting,
  prefix: string,
  seconds: number,
): Promise<readonly number[]> {
  const delays: number[] = [];
  const looking: Promise<void>[] = [];
  const writes: Promise<unknown>[] = [];
  const begun = performance.now();
  const total = writesPerSecond * seconds;
  for (let i = 0; i < total; i++) {
    const dueMs = begun + (i * 1000) / writesPerSecond;
    const early = dueMs - performance.now();
    if (early > 0) await pause(early);
    const writer = cluster.nodes[i % nodes];
    if (writer === undefined) continue;
    const written = put(writer, `${prefix}/${i}`, "v".repeat(100));
    writes.push(written);
    if (i % sampleEvery === 0) {
      looking.push(
        written.then(async (etag) => {
          const acknowledged = performance.now();
          const others = cluster.nodes.filter((node) => node !== writer);
          const each = await Promise.all(
            others.map((node) => readableAfter({ node, askEveryMs }, `${prefix}/${i}`, etag, acknowledged)),
          );
          delays.push(Math.max(...each));
        }),
      );
    }
  }
  await Promise.all(writes);
  await Promise.all(looking);
  return delays;
}

async function readableAfter(
  { node, askEveryMs }: { readonly node: BenchNode; readonly askEveryMs: number },
  key: string,
  etag: string,
  sinceMs: number,
): Promise<number> {
  for (;;) {
    const answer = await node.pool.request({ method: "GET", path: `/kv/${key}` });
    await answer.body.dump();
    if (answer.headers["etag"] === etag) return performance.now() - sinceMs;
    if (performance.now() - sinceMs > 30_000) throw new Error(`${key} never came to ${node.url}`);
    await pause(askEveryMs);
  }
}

/** Sums of a cluster's counters. */
async function counters(cluster: BenchCluster): Promise<{ readonly records: number }> {
  let records = 0;
  for (const node of cluster.nodes) {
    const answer = await node.pool.request({ method: "GET", path: "/metrics" });
    const text = await answer.body.text();
    records += Number(/^hearsay_rumor_records_total (\d+)/m.exec(text)?.[1] ?? Number.NaN);
  }
  return { records };
}
