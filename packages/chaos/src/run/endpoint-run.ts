/** A run on a cluster that somebody else runs: workload and checks, and no faults. */
import { HearsayError } from "@hearsay/client";
import type { RunEvents, RunOptions } from "./options.ts";
import type { Recorder } from "./recorder.ts";
import { type Target, Targets } from "./target.ts";
import { lookAtEnd, runName, workThrough } from "./work.ts";

/** A node that was named does not answer, so nothing could be tested. */
class SilentEndpointError extends Error {
  readonly fault: { readonly code: "unreachable" | "timed_out"; readonly endpoint: string };
  readonly next: string =
    "Every node that --endpoints names has to answer before the run begins: see that it runs, and that its address is right.";

  constructor(message: string, code: "unreachable" | "timed_out", endpoint: string) {
    super(message);
    this.name = "SilentEndpointError";
    this.fault = { code, endpoint };
  }
}

/** @throws SilentEndpointError or HearsayError when a node cannot be asked at the beginning, and the reason of `stopped` */
export async function runOnEndpoints(
  endpoints: readonly string[],
  options: RunOptions,
  recorder: Recorder,
  events: RunEvents,
  stopped: AbortSignal,
): Promise<void> {
  const targets = new Targets(endpoints.map((url) => ({ name: new URL(url).host, url })));
  events.stage("asking the nodes");
  await introduce(targets, events, stopped);
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
  await lookAtEnd(work, options, events, stopped);
  recorder.record({ type: "end", atMs: recorder.nowMs() });
}

/** All have to be there, and are best all that there are. */
async function introduce(targets: Targets, events: RunEvents, signal: AbortSignal): Promise<void> {
  const named = new Set<string>();
  const members = new Map<string, string>();
  for (const target of targets.all) {
    const asked = targets.client(target).cluster.status({ signal });
    const status = await asked.catch((error: unknown) => Promise.reject(explained(error, target)));
    named.add(status.node);
    for (const { id, name, state } of status.members) if (state === "alive") members.set(id, name);
  }
  const others = [...members].filter(([id]) => !named.has(id)).map(([, name]) => name);
  if (others.length > 0) events.stage(`not named, so not read at the end: ${others.join(", ")}`);
}

function explained(error: unknown, { url }: Target): unknown {
  if (!(error instanceof HearsayError)) return error;
  const { code } = error.fault;
  const isSilent = code === "unreachable" || code === "timed_out";
  return isSilent ? new SilentEndpointError(error.message, code, url) : error;
}

/** The default of `clock.maxDriftMs`: further apart clocks make nodes refuse one another. */
const OTHERS_CLOCK_ERROR_MS = 10_000;
