/** Threads for jobs, as many as there are processors. A thread lives for many jobs, as starting one costs a second. */
import { availableParallelism } from "node:os";
import { setFlagsFromString } from "node:v8";
import { Worker } from "node:worker_threads";
import { onAbort } from "@hearsay/client";
import type { Job, JobResults } from "./jobs.ts";

const THREAD = new URL("./pool-thread.js", import.meta.url);
const LIMITS = {
  /** For the largest experiments; most stay far below. */
  maxOldGenerationSizeMb: 8192,
  /** Most of what a simulation makes is garbage at once, and a larger nursery moves less of it. */
  maxYoungGenerationSizeMb: 64,
};

/**
 * How a thread collects its garbage. Every processor has a thread of the pool, so one that helps another to collect only takes
 * its time, and a heap that is small at first is collected as a whole many times before it has grown.
 */
const GARBAGE_FLAGS = ["--no-parallel-scavenge", "--min-semi-space-size=21", "--initial-old-space-size=256"];

export interface PoolOptions {
  /** Ends all that runs and waits; its reason is what the promises then reject with. */
  readonly signal: AbortSignal;
  /** As many as there are processors unless it says otherwise. */
  readonly threads?: number | undefined;
  readonly onDone?: (done: number, asked: number) => void;
}

export class Pool {
  readonly threads: number;
  readonly #onDone: (done: number, asked: number) => void;
  readonly #closing: AbortController = new AbortController();
  readonly #signal: AbortSignal;
  readonly #waiting: (() => void)[] = [];
  readonly #idle: Worker[] = [];
  #free: number;
  #asked = 0;
  #done = 0;

  constructor({ signal, threads = availableParallelism(), onDone = () => undefined }: PoolOptions) {
    this.threads = threads;
    this.#free = threads;
    this.#onDone = onDone;
    this.#signal = AbortSignal.any([signal, this.#closing.signal]);
    // Threads that are made from now on take these over; limits of a thread cannot say so.
    for (const flag of GARBAGE_FLAGS) setFlagsFromString(flag);
  }

  /** Whether jobs that fail now fail because all are being ended. */
  get isEnding(): boolean {
    return this.#signal.aborted;
  }

  /** Jobs are begun in the order in which they are given. Rejects when the job fails. */
  async run<Kind extends Job["kind"]>(job: Extract<Job, { kind: Kind }>): Promise<JobResults[Kind]> {
    this.#asked += 1;
    if (this.#free === 0) await new Promise<void>((resolve) => this.#waiting.push(resolve));
    else this.#free -= 1;
    try {
      this.#signal.throwIfAborted();
      const worker = this.#idle.pop() ?? new Worker(THREAD, { resourceLimits: LIMITS });
      const result = await ask<JobResults[Kind]>(worker, job, this.#signal);
      this.#idle.push(worker);
      this.#done += 1;
      this.#onDone(this.#done, this.#asked);
      return result;
    } finally {
      const next = this.#waiting.shift();
      if (next === undefined) this.#free += 1;
      else next();
    }
  }

  /** Ends all threads, also those that are at work. */
  async close(): Promise<void> {
    this.#closing.abort(new Error("the threads were ended"));
    await Promise.all(this.#idle.splice(0).map((worker) => worker.terminate()));
  }
}

/** A thread that gives no answer is ended. */
function ask<Result>(worker: Worker, job: Job, signal: AbortSignal): Promise<Result> {
  return new Promise<Result>((resolve, reject) => {
    const settle = (): void => {
      leave();
      worker.off("message", done);
      worker.off("error", failed);
      worker.off("exit", ended);
    };
    const done = (result: Result): void => {
      settle();
      resolve(result);
    };
    const failed = (error: unknown): void => {
      settle();
      void worker.terminate();
      reject(error);
    };
    const ended = (): void => failed(new Error("a thread ended without a result"));
    const leave = onAbort(signal, () => failed(signal.reason));
    worker.on("message", done);
    worker.on("error", failed);
    worker.on("exit", ended);
    worker.postMessage(job);
  });
}
