/** A run on a cluster that somebody else runs: workload and checks, and no faults. */
import type { RunEvents, RunOptions } from "./options.ts";
import type { Recorder } from "./recorder.ts";
import { Targets } from "./target.ts";
import { lookAtEnd, runName, workThrough } from "./work.ts";

/** @throws HearsayError when a node cannot be asked at the end, and the reason of `stopped` */
export async function runOnEndpoints(
  endpoints: readonly string[],
  options: RunOptions,
  recorder: Recorder,
  events: RunEvents,
  stopped: AbortSignal,
): Promise<void> {
  const targets = new Targets(endpoints.map((url) => ({ name: new URL(url).host, url })));
  const nowMs = Date.now();
  const run = runName(options.seed, nowMs);
  recorder.record({
    type: "begin",
    run,
    seed: options.seed,
    at: new Date(nowMs).toISOString(),
    nodes: targets.all.map(({ name }) => name),
    durationMs: options.durationMs,
    command: options.repeat,
    clockErrorMs: OTHERS_CLOCK_ERROR_MS,
  });
  const work = { targets, recorder, run };
  events.stage("working");
  await workThrough(work, options, async () => undefined, stopped);
  await lookAtEnd(work, options, events);
  recorder.record({ type: "end", atMs: recorder.nowMs() });
}

/** The default of `clock.maxDriftMs`: further apart clocks make nodes refuse one another. */
const OTHERS_CLOCK_ERROR_MS = 10_000;
