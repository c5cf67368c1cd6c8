/**
 * What a cluster costs that has converged and where nobody writes; and how far the watermark trails under load.
 *
 * Bytes are those that sockets wrote, so each is counted where it was sent, with the heads of HTTP and without those of TCP.
 * A node's share is that of its process, divided by the nodes in it. The cluster is left alone until every node sees every
 * other alive and holds what they hold, and half a minute longer.
 */
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { BenchCluster, type BenchNode, get, pause, percentile, put, putPatiently } from "./nodes.ts";
import { print } from "./report.ts";

/** After its start a process still compiles what is hot and collects what the start left. */
const SETTLE_MS = 30_000;
/** So long until every node sees every other well and holds what they hold; then the cluster is said not to rest. */
const REST_WITHIN_MS = 240_000;
const LOOK_EVERY_MS = 3_000;
const MEASURED_MS = 30_000;

interface Setting {
  readonly nodes: number;
  readonly perProcess: number;
  readonly kilobytesAtMost: number;
  readonly shareAtMost: number;
}

export async function idle(): Promise<void> {
  await cost({ nodes: 5, perProcess: 1, kilobytesAtMost: 2, shareAtMost: 1 });
}

/** 128 processes would need more memory than many a machine has. */
export async function idleOf128(): Promise<void> {
  await cost({ nodes: 128, perProcess: 32, kilobytesAtMost: 60, shareAtMost: 2 });
}

async function cost(setting: Setting): Promise<void> {
  const { nodes, perProcess } = setting;
  const name = `idle cluster of ${nodes}, ${perProcess === 1 ? "each a process" : `${perProcess} a process`}`;
  const directory = await mkdtemp(join(tmpdir(), "hearsay-bench-"));
  const cluster = await BenchCluster.start(directory, nodes, perProcess);
  try {
    const [first] = cluster.nodes;
    for (let i = 0; i < 100 && first !== undefined; i++) await putPatiently(first, `idle/${i}`, "v");
    print({
      name: `${name}: at rest after the writes`,
      value: await rest(cluster),
      unit: "s",
      target: undefined,
    });
    const recordsBefore = await records(cluster);
    await pause(SETTLE_MS);
    const before = await reading(cluster);
    // Nothing is asked of the nodes meanwhile, so all they write goes to one another.
    await pause(MEASURED_MS);
    report(name, setting, { before, after: await reading(cluster) });
    print({
      name: `${name}: memory of a node`,
      value: (await cluster.residentBytes()) / nodes / 1e6,
      unit: "MB",
      target: undefined,
    });
    let restless = 0;
    for (const node of cluster.nodes) restless += (await isAtRest(node, cluster)) ? 0 : 1;
    print({ name: `${name}: nodes not at rest afterwards`, value: restless, unit: "", target: undefined });
    print({
      name: `${name}: records exchanged`,
      value: (await records(cluster)) - recordsBefore,
      unit: "",
      target: { atMost: 0 },
    });
  } finally {
    await cluster.stop();
    await rm(directory, { recursive: true });
  }
}

interface Reading {
  readonly bytes: number;
  readonly cpuSeconds: number;
  readonly ms: number;
}

async function reading(cluster: BenchCluster): Promise<Reading> {
  return {
    bytes: await cluster.writtenBytes(),
    cpuSeconds: await cluster.cpuSeconds(),
    ms: performance.now(),
  };
}

function report(
  name: string,
  { nodes, kilobytesAtMost, shareAtMost }: Setting,
  { before, after }: { readonly before: Reading; readonly after: Reading },
): void {
  const nodeSeconds = ((after.ms - before.ms) / 1000) * nodes;
  print({
    name: `${name}: sent by a node, headers included`,
    value: (after.bytes - before.bytes) / nodeSeconds / 1000,
    unit: "kB/s",
    target: { atMost: kilobytesAtMost },
  });
  print({
    name: `${name}: CPU of a node`,
    value: ((after.cpuSeconds - before.cpuSeconds) / nodeSeconds) * 100,
    unit: "% of a core",
    target: { atMost: shareAtMost },
  });
}

/** Waits until all nodes are at rest. @returns the seconds it took */
async function rest(cluster: BenchCluster): Promise<number> {
  const begun = performance.now();
  for (const node of cluster.nodes) {
    // One after the other, and none again once it was: what is asked of a node is no rest for it.
    while (!(await isAtRest(node, cluster))) {
      await pause(LOOK_EVERY_MS);
      if (performance.now() - begun > REST_WITHIN_MS) throw new Error(`${node.url} did not come to rest`);
    }
  }
  return (performance.now() - begun) / 1000;
}

/** Whether the node sees every member alive, and says that all hold the same. */
async function isAtRest(node: BenchNode, { nodes }: BenchCluster): Promise<boolean> {
  const known = field(await get(node, "/cluster"), "members");
  const alive = Array.isArray(known) ? known.filter((member) => field(member, "state") === "alive") : [];
  if (alive.length < nodes.length) return false;
  return field(await get(node, "/cluster/convergence"), "verdict") === "converged";
}

function field(answer: unknown, name: string): unknown {
  return typeof answer === "object" && answer !== null ? Reflect.get(answer, name) : undefined;
}

export async function watermark(): Promise<void> {
  const directory = await mkdtemp(join(tmpdir(), "hearsay-bench-"));
  const cluster = await BenchCluster.start(directory, 5, 1);
  try {
    const lags: number[] = [];
    const begun = performance.now();
    for (let i = 0; i < 200 * 30; i++) {
      const early = begun + i * 5 - performance.now();
      if (early > 0) await pause(early);
      const node = cluster.nodes[i % 5] ?? raise();
      await put(node, `watermark/${i % 5000}`, "v".repeat(100));
      if (i > 2000 && i % 50 === 0) {
        const answer = await get(node, "/cluster");
        lags.push(Date.now() - Date.parse(String(field(answer, "watermark"))));
      }
    }
    print({
      name: "cluster of 5, 200 writes/s: watermark behind, median",
      value: percentile(lags, 0.5),
      unit: "ms",
      target: undefined,
    });
    print({
      name: "cluster of 5, 200 writes/s: watermark behind, greatest",
      value: Math.max(...lags),
      unit: "ms",
      target: { atMost: 5000 },
    });
  } finally {
    await cluster.stop();
    await rm(directory, { recursive: true });
  }
}

function sum(text: string, pattern: RegExp): number {
  let total = 0;
  for (const [, value] of text.matchAll(pattern)) total += Number(value);
  return total;
}

/** Records the nodes have sent one another. */
async function records(cluster: BenchCluster): Promise<number> {
  let sent = 0;
  for (const node of cluster.nodes) {
    const answer = await node.pool.request({ method: "GET", path: "/metrics" });
    const text = await answer.body.text();
    sent += sum(text, /^hearsay_rumor_records_total (\S+)/gm);
    sent += sum(text, /^hearsay_events_total\{event="hearsay_repaired_keys_total"\} (\S+)/gm);
  }
  return sent;
}

function raise(): never {
  throw new Error("the cluster has no such node");
}
