/**
 * The long run, on all cores: `npm run test:power -- [points] [seed]`. Exits with 1 when anything that was acknowledged is gone.
 *
 * First it has a store acknowledge before it syncs. If that loses nothing, the check cannot fail, and the run ends with 1.
 */
import { availableParallelism } from "node:os";
import { Worker } from "node:worker_threads";
import { shares, sumOf } from "./lanes.ts";
import { type PowerPlan, type PowerReport, runPowerLosses } from "./run.ts";
import type { ThreadMessage } from "./thread.ts";

const POINTS = 5000;
const PER_RECORDING = 100;
const COMMITS = 300;
const PLANTED_POINTS = 50;
/** Between the seeds of threads, so that none has a seed of another's lane. */
const THREAD_SEED_STEP = 7919;

const [points = POINTS, seed = 1] = process.argv.slice(2).map(Number);
const common = { perRecording: PER_RECORDING, commits: COMMITS, seed };

const planted = await runPowerLosses({ ...common, points: PLANTED_POINTS, durability: "os" });
const startedMs = performance.now();
let done = 0;
const plan: PowerPlan = { ...common, points, durability: "fsync" };
const report = sumOf(await Promise.all(shares(plan, availableParallelism()).map(inThread)));
const pointsPerSecond = Math.round((10_000 * points) / (performance.now() - startedMs)) / 10;
const noticed = { points: planted.points, lossy: planted.lossy };
process.stdout.write(`${JSON.stringify({ ...report, pointsPerSecond, planted: noticed }, null, 2)}\n`);
if (planted.lossy === 0)
  process.stderr.write("The check is blind: it finds no loss where writes are not synced.\n");
process.exitCode = report.violations.length === 0 && planted.lossy > 0 ? 0 : 1;

function inThread(share: PowerPlan, index: number): Promise<PowerReport> {
  return new Promise((resolve, reject) => {
    const workerData = { ...share, seed: share.seed + index * THREAD_SEED_STEP };
    const worker = new Worker(new URL("./thread.js", import.meta.url), { workerData });
    worker.on("message", (message: ThreadMessage) => {
      if (message.kind === "end") return resolve(message.report);
      done += 1;
      if (done % PER_RECORDING === 0) process.stderr.write(`${done} of ${points}\n`);
    });
    worker.once("error", reject);
    worker.once("exit", () => reject(new Error("a thread ended without a result")));
  });
}
