/** Runs jobs on as many threads as there are processors; a thread lives for many jobs, as starting one costs a second. */
import { availableParallelism } from "node:os";
import { Worker } from "node:worker_threads";
import { onAbort } from "@hearsay/client";
import type { SeedJob, SeedResults } from "./seed-jobs.ts";

const THREAD = new URL("./seed-thread.js", import.meta.url);
/** Most of what a simulation makes is garbage at once: a larger nursery halves the time spent on it. */
const NURSERY_MIB = 64;

/**
 * @param jobs in the order in which they are begun
 * @param onDone told of each result as it comes
 * @param signal ends all threads; its reason is what the promise then rejects with
 */
export async function runJobs<Kind extends SeedJob["kind"]>(
  jobs: Iterable<Extract<SeedJob, { kind: Kind }>>,
  onDone: (result: SeedResults[Kind], job: Extract<SeedJob, { kind: Kind }>) => void,
  { signal, threads }: { readonly signal: AbortSignal; readonly threads: number | undefined },
): Promise<void> {
  const waiting = jobs[Symbol.iterator]();
  const lane = async (): Promise<void> => {
    let next = waiting.next();
    if (next.done === true) return;
    const worker = new Worker(THREAD, { resourceLimits: { maxYoungGenerationSizeMb: NURSERY_MIB } });
    try {
      for (; next.done !== true; next = waiting.next()) {
        const job = next.value;
        onDone(await ask<SeedResults[Kind]>(worker, job, signal), job);
      }
    } finally {
      await worker.terminate();
    }
  };
  await Promise.all(Array.from({ length: threads ?? availableParallelism() }, lane));
}

function ask<Result>(worker: Worker, job: SeedJob, signal: AbortSignal): Promise<Result> {
  signal.throwIfAborted();
  return new Promise<Result>((resolve, reject) => {
    const settle = (): void => {
      leave();
      worker.off("message", done);
      worker.off("error", failed);
    };
    const done = (result: Result): void => {
      settle();
      resolve(result);
    };
    const failed = (error: unknown): void => {
      settle();
      reject(error);
    };
    const leave = onAbort(signal, () => {
      settle();
      reject(signal.reason);
    });
    worker.on("message", done);
    worker.on("error", failed);
    worker.postMessage(job);
  });
}
