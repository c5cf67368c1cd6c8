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
    await pause(SETTLE_MS);
    const before = await reading(cluster);
    // Nothing is asked of the nodes meanwhile, so all they write goes to one another.
    await pause(MEASURED_MS);
    const after = await reading(cluster);
    report(name, setting, { before, after });
    print({
      name: `${name}: memory of a node`,
      value: (await cluster.residentBytes()) / nodes / 1e6,
      unit: "MB",
      target: undefined,
    });
    print({
      name: `${name}: nodes not at rest afterwards`,
      value: (await restless(cluster)).length,
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
  readonly records: number;
  readonly ms: number;
}

async function reading(cluster: BenchCluster): Promise<Reading> {
  const sent = await records(cluster);
  return {
    bytes: await cluster.writtenBytes(),
    cpuSeconds: await cluster.cpuSeconds(),
    records: sent,
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
  print({
    name: `${name}: records exchanged`,
    value: after.records - before.records,
    unit: "",
    target: { atMost: 0 },
  });
}

/** Waits until all nodes are at rest. @returns the seconds it took */
async function rest(cluster: BenchCluster): Promise<number> {
  const begun = performance.now();
  let left: readonly string[] = cluster.nodes.map(({ url }) => url);
  while (left.length > 0) {
    await pause(LOOK_EVERY_MS);
    left = await restless(cluster);
    if (performance.now() - begun > REST_WITHIN_MS)
      throw new Error(
        `${left.length} of ${cluster.nodes.length} nodes did not come to rest, such as ${left[0]}`,
      );
  }
  return (performance.now() - begun) / 1000;
}

/** Those that do not see every member alive, or not all of them converged. */
async function restless(cluster: BenchCluster): Promise<readonly string[]> {
  const all = cluster.nodes.length;
  const found: string[] = [];
  for (const node of cluster.nodes) {
    const alive = sum(await metricsOf(node), /^hearsay_members\{state="alive"\} (\S+)/gm);
    const answer = await get(node, "/cluster/convergence");
    const verdict =
      typeof answer === "object" && answer !== null && "verdict" in answer ? answer.verdict : undefined;
    if (alive !== all || verdict !== "converged") found.push(node.url);
  }
  return found;
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
        const at =
          typeof answer === "object" && answer !== null && "watermark" in answer
            ? String(answer.watermark)
            : "";
        lags.push(Date.now() - Date.parse(at));
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

async function metricsOf(node: BenchNode): Promise<string> {
  const answer = await node.pool.request({ method: "GET", path: "/metrics" });
  return await answer.body.text();
}

/** Records the nodes have sent one another. */
async function records(cluster: BenchCluster): Promise<number> {
  let sent = 0;
  for (const node of cluster.nodes) {
    const text = await metricsOf(node);
    sent += sum(text, /^hearsay_rumor_records_total (\S+)/gm);
    sent += sum(text, /^hearsay_events_total\{event="hearsay_repaired_keys_total"\} (\S+)/gm);
  }
  return sent;
}

function raise(): never {
  throw new Error("the cluster has no such node");
}
