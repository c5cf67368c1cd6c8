import type { WriteFault } from "@hearsay/node";
import { ApiProblem } from "./problem.ts";

/** @param what is ahead, at the start of a sentence */
export function clockDrift(fault: WriteFault, what: string = "The context"): ApiProblem {
  return new ApiProblem("clock_drift", {
    detail: `${what} is ${fault.aheadMs} ms ahead; clock.maxDriftMs is ${fault.maxDriftMs}.`,
    members: { aheadMs: fault.aheadMs },
  });
}
