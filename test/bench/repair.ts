/** Two replicas of a million keys that differ in a few: what finding and mending that costs. */
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { BenchCluster, type BenchNode, get, pause, post } from "./nodes.ts";
import { print } from "./report.ts";

/** A million by default; loading them takes minutes, so a shorter run may take fewer. */
const KEYS = Number(process.env["HEARSAY_BENCH_REPAIR_KEYS"] ?? 1_000_000);
const BATCH = 1000;
/** Each look has every node hash what has changed since the last one, so many looks would be a load of their own. */
const LOOK_EVERY_MS = 500;

export async function repair(): Promise<void> {
  const directory = await mkdtemp(join(tmpdir(), "hearsay-bench-"));
  const knobs = ["store.cacheMaxBytes=32MiB", "store.writeBufferBytes=8MiB"];
  const nodes = 5;
  let cluster = await BenchCluster.start(directory, nodes, 1, knobs);
  try {
    const [first] = cluster.nodes;
    if (first === undefined) return;
    const begun = performance.now();
    for (let i = 0; i < KEYS; i += BATCH) await writeBatch(first, i, BATCH, "v".repeat(32));
    await converged(cluster, 600_000);
    print({
      name: `${KEYS} keys written to one and on all ${nodes}`,
      value: (performance.now() - begun) / 1000,
      unit: "s",
      target: undefined,
    });
    await cluster.stop();

    // Two of the five are apart for a while: each is alone when its share is written.
    const alone = [
      "antiEntropy.quietHours=0,1,2,3,4,5,6,7,8,9,10,11,12,13,14,15,16,17,18,19,20,21,22,23",
      "rumor.directMailMax=0",
      "rumor.fanout=1",
    ];
    cluster = await BenchCluster.start(directory, 1, 1, [...knobs, ...alone]);
    const [one] = cluster.nodes;
    if (one !== undefined)
      for (let i = 0; i < 10_000; i += BATCH) await writeBatch(one, KEYS + i, BATCH, "w".repeat(32));
    await cluster.stop();
    // The first exchange begins as soon as two of them are up, so their starting counts.
    const healed = performance.now();
    cluster = await BenchCluster.start(directory, nodes, 1, knobs);
    await converged(cluster, 120_000);
    print({
      name: `10,000 of ${KEYS} keys differ between nodes of five: converged, starting all included`,
      value: (performance.now() - healed) / 1000,
      unit: "s",
      target: { atMost: 30 },
    });
  } finally {
    await cluster.stop();
    await rm(directory, { recursive: true });
  }
}

async function writeBatch(node: BenchNode, from: number, count: number, value: string): Promise<void> {
  const encoded = Buffer.from(value).toString("base64");
  const operations = Array.from({ length: count }, (_, i) => ({
    op: "put",
    key: `repair/${(from + i).toString(36).padStart(17, "0")}`,
    value: encoded,
  }));
  for (;;) {
    const answer = await post(node, "/kv", { operations });
    if (typeof answer === "object" && answer !== null && "results" in answer) return;
    const isShed =
      typeof answer === "object" && answer !== null && "code" in answer && answer.code === "overloaded";
    if (!isShed) throw new Error(`not written: ${JSON.stringify(answer)}`);
    await pause(LOOK_EVERY_MS);
  }
}

async function converged(cluster: BenchCluster, limitMs: number): Promise<void> {
  const deadline = performance.now() + limitMs;
  for (;;) {
    const answers = await Promise.all(cluster.nodes.map((node) => get(node, "/cluster/convergence")));
    if (answers.every((answer) => isConverged(answer))) return;
    if (performance.now() > deadline) throw new Error(`not converged: ${JSON.stringify(answers[0])}`);
    await pause(LOOK_EVERY_MS);
  }
}

function isConverged(answer: unknown): boolean {
  return (
    typeof answer === "object" && answer !== null && "verdict" in answer && answer.verdict === "converged"
  );
}
