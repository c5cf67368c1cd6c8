/** What a cluster costs that has converged and where nobody writes; and how far the watermark trails under load. */
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { BenchCluster, get, pause, percentile, put } from "./nodes.ts";
import { print } from "./report.ts";

/** After its start a process still compiles what is hot and collects what the start left. */
const SETTLE_MS = 30_000;

export async function idle(): Promise<void> {
  await cost(5, 1, { kilobytes: 2, share: 1 });
}

export async function idleOf128(): Promise<void> {
  await cost(128, 32, { kilobytes: 60, share: 2 });
}

async function cost(
  nodes: number,
  perProcess: number,
  atMost: { readonly kilobytes: number; readonly share: number },
): Promise<void> {
  const seconds = 20;
  const directory = await mkdtemp(join(tmpdir(), "hearsay-bench-"));
  const cluster = await BenchCluster.start(directory, nodes, perProcess);
  try {
    for (let i = 0; i < 100; i++) await put(cluster.nodes[0] ?? raise(), `idle/${i}`, "v");
    await pause(SETTLE_MS);
    const recordsBefore = await records(cluster);
    const before = {
      bytes: await cluster.writtenBytes(),
      cpu: await cluster.cpuSeconds(),
      ms: performance.now(),
    };
    // Nothing is asked of the nodes meanwhile, so all they write goes to one another.
    await pause(seconds * 1000);
    const after = {
      bytes: await cluster.writtenBytes(),
      cpu: await cluster.cpuSeconds(),
      ms: performance.now(),
    };
    const recordsAfter = await records(cluster);
    const elapsed = (after.ms - before.ms) / 1000;
    const perNode = (after.bytes - before.bytes) / elapsed / nodes / 1000;
    const share = ((after.cpu - before.cpu) / elapsed / nodes) * 100;
    const where = perProcess === 1 ? "each a process" : `${perProcess} a process`;
    print({
      name: `idle cluster of ${nodes}, ${where}: sent by a node, headers included`,
      value: perNode,
      unit: "kB/s",
      target: { atMost: atMost.kilobytes },
    });
    print({
      name: `idle cluster of ${nodes}: CPU of a node`,
      value: share,
      unit: "% of a core",
      target: { atMost: atMost.share },
    });
    print({
      name: `idle cluster of ${nodes}: records exchanged`,
      value: recordsAfter - recordsBefore,
      unit: "",
      target: { atMost: 0 },
    });
  } finally {
    await cluster.stop();
    await rm(directory, { recursive: true });
  }
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
