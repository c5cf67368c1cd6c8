/** A thread that runs one seed after the other, until it is ended. */
import { parentPort } from "node:worker_threads";
import { huntMutant, MUTANTS, makePlan, runPlan } from "@hearsay/simulator";
import { platform } from "./platform.ts";
import type { SeedJob, SeedResults } from "./seed-jobs.ts";

async function perform(job: SeedJob): Promise<SeedResults[SeedJob["kind"]]> {
  if (job.kind === "hunt") {
    const mutant = MUTANTS.find(({ name }) => name === job.mutant);
    if (mutant === undefined) throw new RangeError(`there is no mutant ${job.mutant}`);
    return await huntMutant(platform, mutant, job.options);
  }
  const plan = makePlan(job.options);
  const report = await runPlan(platform, plan);
  const again = job.twice ? await runPlan(platform, plan) : undefined;
  return { report, isSame: again === undefined ? undefined : again.traceHash === report.traceHash };
}

parentPort?.on("message", (job: SeedJob) => {
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
