/** A thread that does one job after the other, until it is ended: it computes without a pause, and must not keep the command from being stopped. */
import { parentPort } from "node:worker_threads";
import {
  huntMutant,
  infectionCurves,
  infectionSvg,
  MUTANTS,
  makePlan,
  type PlanOptions,
  runPlan,
  runScale,
  runTable,
} from "@hearsay/simulator";
import type { Job, JobResults, SeedRun } from "./jobs.ts";
import { platform } from "./platform.ts";

async function perform(job: Job): Promise<JobResults[Job["kind"]]> {
  switch (job.kind) {
    case "run":
      return await runSeed(job.options, job.twice);
    case "attempt":
      return await runPlan(platform, job.plan, { endMs: job.endMs, keepsLines: job.keepsLines });
    case "hunt": {
      const mutant = MUTANTS.find(({ name }) => name === job.mutant);
      if (mutant === undefined) throw new RangeError(`there is no mutant ${job.mutant}`);
      return await huntMutant(platform, mutant, job.options);
    }
    case "table":
      return runTable(job.name, job.settings);
    case "plot":
      return infectionSvg(infectionCurves(job.settings), job.settings);
    case "scale":
      return runScale(job.experiment, job.nodes);
  }
}

async function runSeed(options: PlanOptions, twice: boolean): Promise<SeedRun> {
  const plan = makePlan(options);
  const report = await runPlan(platform, plan);
  const again = twice ? await runPlan(platform, plan) : undefined;
  return { report, isSame: again === undefined ? undefined : again.traceHash === report.traceHash };
}

parentPort?.on("message", (job: Job) => {
  perform(job).then(
    (result) => parentPort?.postMessage(result),
    (error: unknown) => {
      // Told to the pool as the thread's own failure.
      setImmediate(() => {
        throw error;
      });
    },
  );
});
