/** A thread that runs one experiment: it computes without a pause, and must not keep the command from being stopped. */
import { parentPort, workerData } from "node:worker_threads";
import { infectionCurves, infectionSvg, runScale, runTable } from "@hearsay/simulator";
import type { Job, JobResults } from "./jobs.ts";

function run(job: Job): JobResults[Job["kind"]] {
  switch (job.kind) {
    case "table":
      return runTable(job.name, job.settings);
    case "plot":
      return infectionSvg(infectionCurves(job.settings), job.settings);
    case "scale":
      return runScale(job.experiment, job.nodes);
  }
}

parentPort?.postMessage(run(workerData));
