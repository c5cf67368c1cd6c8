/** The part that every run has: sessions and observers for a time, then the reading of everything. */
import { setMaxListeners } from "node:events";
import { SeededRandom } from "@hearsay/core";
import { SessionPlan } from "../workload/session-plan.ts";
import { observe } from "./observer.ts";
import type { RunEvents, RunOptions } from "./options.ts";
import { pause } from "./pause.ts";
import type { Recorder } from "./recorder.ts";
import { Session } from "./session.ts";
import { type End, findDamage, readAll, settle, verifyAll } from "./settle.ts";
import type { Targets } from "./target.ts";

/** Sets the workload's draws apart from those of the faults. */
const WORKLOAD_SALT = 0x5eed;

export interface Work {
  readonly targets: Targets;
  readonly recorder: Recorder;
  readonly run: string;
}

/**
 * Works until the time is over, while `trouble` does what it does; it has to put everything in order when its signal is aborted.
 * Rejects with the reason of `stopped`.
 */
export async function workThrough(
  { targets, recorder, run }: Work,
  options: RunOptions,
  trouble: (healing: AbortSignal) => Promise<void>,
  stopped: AbortSignal,
): Promise<void> {
  const over = new AbortController();
  const observed = new AbortController();
  // Every session, lane and observer listens.
  setMaxListeners(0, over.signal, observed.signal);
  const { sessions } = options.workload;
  const random = new SeededRandom(options.seed ^ WORKLOAD_SALT);
  const workers = Array.from({ length: sessions }, (_, session) => {
    const plan = new SessionPlan(random.fork(), session, options.workload, targets.all.length);
    return new Session({ session, plan, targets, recorder, run });
  });
  const observing = observe(targets, recorder, observed.signal);
  const working = [trouble(over.signal), ...workers.map((worker) => worker.run(over.signal))];
  try {
    // A worker that fails ends the run.
    await Promise.race([pause(options.durationMs, stopped), failureOf(working)]);
  } finally {
    over.abort();
    await Promise.allSettled(working);
    observed.abort();
    await observing;
  }
  stopped.throwIfAborted();
  await Promise.all(working);
}

/** Settles only when one of them rejects, and then with its reason. */
function failureOf(working: readonly Promise<void>[]): Promise<never> {
  return new Promise((_, reject) => {
    for (const one of working) one.catch(reject);
  });
}

/** What the nodes hold in the end, when they have settled or the time for it is over. Rejects with the reason of `stopped`. */
export async function lookAtEnd(
  { targets, recorder, run }: Work,
  { settleMs }: RunOptions,
  events: RunEvents,
  stopped: AbortSignal,
): Promise<void> {
  const end: End = { targets, recorder, stopped };
  // Every node and reader listens.
  setMaxListeners(0, stopped);
  events.stage("waiting until the nodes agree");
  await findDamage(end);
  await settle(end, settleMs);
  events.stage("reading every key on every node");
  await readAll(end, prefixOf(run));
  await verifyAll(end);
  stopped.throwIfAborted();
}

function prefixOf(run: string): string {
  return `chaos/${run}/`;
}

/** Names a run among others on one cluster. */
export function runName(seed: number, nowMs: number): string {
  return `${seed}-${nowMs.toString(36)}`;
}
