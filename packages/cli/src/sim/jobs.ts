/** Experiments, each in a thread of its own, as many at a time as there are processors. */
import { availableParallelism } from "node:os";
import { Worker } from "node:worker_threads";
import { onAbort } from "@hearsay/client";
import type { PaperSettings, PaperTable, ScaleName, ScaleRun, TableName } from "@hearsay/simulator";

export type Job =
  | { readonly kind: "table"; readonly name: TableName; readonly settings: PaperSettings }
  | { readonly kind: "plot"; readonly settings: PaperSettings }
  | { readonly kind: "scale"; readonly experiment: ScaleName; readonly nodes: number };

export interface JobResults {
  readonly table: PaperTable;
  readonly plot: string;
  readonly scale: ScaleRun;
}

const THREAD = new URL("./experiment-thread.js", import.meta.url);
/** For the largest experiments; most stay far below. */
const HEAP_MAX_MIB = 8192;

export class Jobs {
  readonly #signal: AbortSignal;
  readonly #onDone: (done: number, of: number) => void;
  readonly #waiting: (() => void)[] = [];
  #free: number = availableParallelism();
  #asked = 0;
  #done = 0;

  /** @param signal ends all that runs */
  constructor(signal: AbortSignal, onDone: (done: number, of: number) => void) {
    this.#signal = signal;
    this.#onDone = onDone;
  }

  /** Rejects when the experiment fails, or the signal's reason ends it. */
  async run<Kind extends Job["kind"]>(job: Extract<Job, { kind: Kind }>): Promise<JobResults[Kind]> {
    this.#asked += 1;
    if (this.#free === 0) await new Promise<void>((resolve) => this.#waiting.push(resolve));
    else this.#free -= 1;
    try {
      const result = await this.#inThread<JobResults[Kind]>(job);
      this.#done += 1;
      this.#onDone(this.#done, this.#asked);
      return result;
    } finally {
      const next = this.#waiting.shift();
      if (next === undefined) this.#free += 1;
      else next();
    }
  }

  #inThread<Result>(job: Job): Promise<Result> {
    this.#signal.throwIfAborted();
    return new Promise<Result>((resolve, reject) => {
      const worker = new Worker(THREAD, {
        workerData: job,
        resourceLimits: { maxOldGenerationSizeMb: HEAP_MAX_MIB },
      });
      const leave = onAbort(this.#signal, () => {
        reject(this.#signal.reason);
        void worker.terminate();
      });
      worker.once("message", resolve);
      worker.once("error", reject);
      worker.once("exit", () => {
        leave();
        reject(new Error("the experiment ended without a result"));
      });
    });
  }
}
