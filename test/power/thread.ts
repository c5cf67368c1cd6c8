/** One thread of the long run: makes the failures of a plan, and tells its parent of each, and what came of all. */
import { parentPort, workerData } from "node:worker_threads";
import { runInLanes } from "./lanes.ts";
import type { PowerPlan, PowerReport } from "./run.ts";

/** While one waits for the disk, another one computes. */
const LANES = 2;

export type ThreadMessage =
  | { readonly kind: "point" }
  | { readonly kind: "end"; readonly report: PowerReport };

const plan: PowerPlan = workerData;
const tell = (message: ThreadMessage): void => parentPort?.postMessage(message);
tell({ kind: "end", report: await runInLanes(plan, LANES, () => tell({ kind: "point" })) });
