/** A run on a cluster of its own, with faults. */
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { ChaosCluster, type ClusterEvents } from "../cluster/chaos-cluster.ts";
import type { Place } from "../cluster/place.ts";
import { FAULTS } from "../plan/faults.ts";
import { clockErrorMs, planFaults } from "../plan/schedule.ts";
import { Injector } from "./injector.ts";
import type { LocalOptions, RunEvents } from "./options.ts";
import { pause } from "./pause.ts";
import type { Recorder } from "./recorder.ts";
import { Targets } from "./target.ts";
import { lookAtEnd, runName, type Work, workThrough } from "./work.ts";

const WRITABLE_PATIENCE_MS = 30_000;
const ASK_MS = 50;

/** A cluster did not come about, so nothing could be tested. */
export class ClusterStartError extends Error {
  readonly fault: { readonly code: "cluster_not_started"; readonly name: string };
  readonly next: string;

  constructor(name: string, logs: string) {
    super(`${name} took no writes within ${WRITABLE_PATIENCE_MS / 1000} s of its start`);
    this.name = "ClusterStartError";
    this.fault = { code: "cluster_not_started", name };
    this.next = `Its log says why: ${join(logs, `${name}.log`)}`;
  }
}

/**
 * Ends with everything recorded and every process ended, whatever happens.
 * @returns the directory with the data of the nodes, which is the caller's to remove
 * @throws ClusterStartError, NodeEndedError, and the reason of `stopped`
 */
export async function runLocally(
  options: LocalOptions,
  recorder: Recorder,
  events: RunEvents,
  stopped: AbortSignal,
): Promise<string> {
  const directory = await mkdtemp(join(tmpdir(), "hearsay-chaos-"));
  const cluster = await ChaosCluster.open(
    { ...options, directory, logs: options.report, smallDisk: options.faults.includes("disk-full") },
    recordedBy(recorder),
  );
  // At once, whatever is being waited for: that ends with the processes.
  const end = (): void => void cluster.close();
  stopped.addEventListener("abort", end, { once: true });
  try {
    await runOn(cluster, options, recorder, events, stopped);
  } catch (error) {
    await cluster.close();
    await rm(directory, { recursive: true, force: true });
    throw error;
  } finally {
    stopped.removeEventListener("abort", end);
  }
  await cluster.close();
  return directory;
}

async function runOn(
  cluster: ChaosCluster,
  options: LocalOptions,
  recorder: Recorder,
  events: RunEvents,
  stopped: AbortSignal,
): Promise<void> {
  stopped.throwIfAborted();
  events.stage(`starting ${cluster.places.length} nodes`);
  await startAll(cluster, options.report, stopped);
  const targets = new Targets(cluster.places.map(({ name, url }) => ({ name, url })));
  const nowMs = Date.now();
  const run = runName(options.seed, nowMs);
  recorder.record({
    type: "begin",
    run,
    seed: options.seed,
    at: new Date(nowMs).toISOString(),
    nodes: cluster.places.map(({ name }) => name),
    durationMs: options.durationMs,
    command: options.repeat,
    clockErrorMs: clockErrorMs(options.faults),
    asked: options.asked,
  });
  for (const { name, minNodes } of FAULTS) {
    if (!options.faults.includes(name) || minNodes <= options.nodes) continue;
    const skipped = `it takes ${minNodes} nodes`;
    const atMs = recorder.nowMs();
    recorder.record({ type: "fault", atMs, endMs: atMs, kind: name, nodes: [], detail: "", skipped });
  }
  const work: Work = { targets, recorder, run };
  const startedMs = recorder.nowMs();
  const lanes = planFaults({ ...options }).map((lane) =>
    lane.map((fault) => ({ ...fault, atMs: fault.atMs + startedMs })),
  );
  events.stage("working under faults");
  const trouble = async (healing: AbortSignal): Promise<void> => {
    const injector = new Injector(cluster, targets, recorder, healing);
    await Promise.all(lanes.map((lane) => injector.run(lane)));
    cluster.openLinks();
    await injector.startAll();
  };
  await workThrough(work, options, trouble, stopped);
  await lookAtEnd(work, options, events, stopped);
  events.stage("stopping");
  await Promise.all(cluster.places.map((place) => (place.runs ? place.stop() : undefined)));
  stopped.throwIfAborted();
  recorder.record({ type: "end", atMs: recorder.nowMs() });
}

async function startAll(cluster: ChaosCluster, logs: string, stopped: AbortSignal): Promise<void> {
  const [first, ...others] = cluster.places;
  if (first === undefined) return;
  await first.start([]);
  stopped.throwIfAborted();
  await Promise.all(others.map((place) => place.start([first.address])));
  for (const place of cluster.places) await untilMember(place, cluster.places.length, logs, stopped);
}

/** It takes writes, and sees all others. */
async function untilMember(place: Place, count: number, logs: string, stopped: AbortSignal): Promise<void> {
  const targets = new Targets([place]);
  const { cluster } = targets.client(place);
  const endMs = performance.now() + WRITABLE_PATIENCE_MS;
  while (performance.now() < endMs) {
    stopped.throwIfAborted();
    const status = await cluster.status({ signal: stopped });
    if (status.writable && status.totals.live === count) return;
    await pause(ASK_MS, stopped);
  }
  throw new ClusterStartError(place.name, logs);
}

function recordedBy(recorder: Recorder): ClusterEvents {
  const at = (node: string): { readonly atMs: number; readonly node: string } => ({
    atMs: recorder.nowMs(),
    node,
  });
  return {
    started: ({ name }, { id }) =>
      recorder.record({ type: "process", ...at(name), event: "started", id, expected: true }),
    ended: ({ name }, ending, expected) =>
      recorder.record({ type: "process", ...at(name), event: "ended", ending, expected }),
    complained: ({ name }, text) => recorder.record({ type: "log", ...at(name), text }),
  };
}
