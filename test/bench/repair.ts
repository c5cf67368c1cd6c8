/**
 * Two of five nodes with a million keys each are cut off, and differ in 10,000 keys when they can be reached again: how long
 * from then until all five hold the same, and say so.
 *
 * All begin with the same versions: written to one, and spread to the others. Half of the differing keys are written to each of the two,
 * every other one of them new. They stay apart until each side has found the other dead, so the time also contains that they find
 * each other again.
 */
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { CuttableCluster, type CuttableNode } from "./cuttable.ts";
import { type BenchNode, get, pause, post } from "./nodes.ts";
import { print } from "./report.ts";

/** A million by default; a shorter run may take fewer. */
const KEYS = Number(process.env["BENCH_REPAIR_KEYS"] ?? 1_000_000);
const DIFFERING = 10_000;
const NODES = 5;
const BATCH = 1000;
/** Each look has every node hash what has changed since the last one, so many looks would be a load of their own. */
const LOOK_EVERY_MS = 250;
/** Five times a million records on a machine of few processors. */
const FILL_MS = 600_000;

export async function repair(): Promise<void> {
  const directory = await mkdtemp(join(tmpdir(), "hearsay-bench-"));
  const cluster = new CuttableCluster();
  try {
    await form(cluster, directory);
    await fill(cluster);
    await partAndHeal(cluster);
  } finally {
    await cluster.stop();
    await rm(directory, { recursive: true });
  }
}

async function form(cluster: CuttableCluster, directory: string): Promise<void> {
  const knobs = ["store.cacheMaxBytes=32MiB", "store.writeBufferBytes=8MiB"];
  const [first, ...others] = await Promise.all(
    Array.from({ length: NODES }, () => cluster.start(directory, knobs)),
  );
  for (const node of others) await post(node, "/cluster/join", { address: first?.address });
  for (const node of cluster.nodes) await until(async () => (await livePeers(node)) === NODES - 1);
}

async function fill(cluster: CuttableCluster): Promise<void> {
  const [first] = cluster.nodes;
  if (first === undefined) return;
  const begun = performance.now();
  await inParallel(4, KEYS / BATCH, (i) => writeBatch(first, BATCH, (k) => keyAt(i * BATCH + k), "v"));
  told(`${KEYS} keys written to one`, begun);
  await converged(cluster.nodes, FILL_MS);
  told("until all held the same", begun);
}

async function partAndHeal(cluster: CuttableCluster): Promise<void> {
  const [a, b, ...rest] = cluster.nodes;
  if (a === undefined || b === undefined) return;
  cluster.cutOff([a, b]);
  const half = DIFFERING / 2;
  // Every other key is one that all hold, from all over the key space.
  const differing = (i: number): string => (i % 2 === 0 ? keyAt(KEYS + i) : keyAt((i * KEYS) / DIFFERING));
  await inParallel(1, half / BATCH, async (i) => {
    await writeBatch(a, BATCH, (k) => differing(i * BATCH + k), "a");
    await writeBatch(b, BATCH, (k) => differing(half + i * BATCH + k), "b");
  });
  for (const node of [a, b]) await until(async () => (await livePeers(node)) === 0);
  for (const node of rest) await until(async () => (await livePeers(node)) === rest.length - 1);

  const cpuBefore = await cluster.cpuSeconds();
  const healed = performance.now();
  cluster.heal();
  const met = until(async () => (await livePeers(a)) === NODES - 1 && (await livePeers(b)) === NODES - 1);
  const metMs = met.then(() => performance.now() - healed);
  await converged(cluster.nodes, 120_000);
  const seconds = (performance.now() - healed) / 1000;
  print({
    name: `${DIFFERING} of ${KEYS} keys differ between two of ${NODES} nodes: from the heal until all hold the same`,
    value: seconds,
    unit: "s",
    target: { atMost: 30 },
  });
  print({
    name: "  until both found all others again",
    value: (await metMs) / 1000,
    unit: "s",
    target: undefined,
  });
  print({
    name: "  CPU of all five meanwhile",
    value: (await cluster.cpuSeconds()) - cpuBefore,
    unit: "s",
    target: undefined,
  });
}

function keyAt(i: number): string {
  return `repair/${Math.floor(i).toString(36).padStart(17, "0")}`;
}

async function writeBatch(
  node: BenchNode,
  count: number,
  key: (i: number) => string,
  letter: string,
): Promise<void> {
  const value = Buffer.from(letter.repeat(32)).toString("base64");
  const operations = Array.from({ length: count }, (_, i) => ({ op: "put", key: key(i), value }));
  await until(async () => {
    const answer = await post(node, "/kv", { operations });
    if (typeof answer !== "object" || answer === null) throw new Error("no answer");
    if ("results" in answer) return true;
    if ("code" in answer && answer.code === "overloaded") return false;
    throw new Error(`not written: ${JSON.stringify(answer)}`);
  });
}

/** Others that a node believes alive. */
async function livePeers(node: BenchNode): Promise<number> {
  const answer = await get(node, "/cluster");
  const members =
    typeof answer === "object" && answer !== null && "members" in answer && Array.isArray(answer.members)
      ? answer.members
      : [];
  return members.filter((member: unknown) => isAlive(member)).length - 1;
}

function isAlive(member: unknown): boolean {
  return typeof member === "object" && member !== null && "state" in member && member.state === "alive";
}

async function converged(nodes: readonly CuttableNode[], limitMs: number): Promise<void> {
  const deadline = performance.now() + limitMs;
  for (;;) {
    const answers = await Promise.all(nodes.map((node) => get(node, "/cluster/convergence")));
    if (answers.every((answer) => isConverged(answer))) return;
    if (performance.now() > deadline) throw new Error(`not converged: ${JSON.stringify(answers)}`);
    await pause(LOOK_EVERY_MS);
  }
}

function isConverged(answer: unknown): boolean {
  return (
    typeof answer === "object" && answer !== null && "verdict" in answer && answer.verdict === "converged"
  );
}

/** Tries until it comes true, for a minute at most. */
async function until(isDone: () => Promise<boolean>): Promise<void> {
  const deadline = performance.now() + 60_000;
  for (;;) {
    try {
      if (await isDone()) return;
    } catch (error) {
      if (performance.now() > deadline) throw error;
    }
    if (performance.now() > deadline) throw new Error("it did not come about within a minute");
    await pause(LOOK_EVERY_MS);
  }
}

async function inParallel(lanes: number, count: number, task: (i: number) => Promise<void>): Promise<void> {
  let next = 0;
  const lane = async (): Promise<void> => {
    for (let i = next++; i < count; i = next++) await task(i);
  };
  await Promise.all(Array.from({ length: lanes }, lane));
}

function told(name: string, begun: number): void {
  print({ name, value: (performance.now() - begun) / 1000, unit: "s", target: undefined });
}
