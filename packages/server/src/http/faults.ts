/** Turns whatever a route threw into the problem to answer with. */
import { type Outcome, problemKind } from "@hearsay/api";
import { ApiProblem } from "./problem.ts";

/** A fault of the layers below: they know their code, and some of them what became of the write. */
interface LowerFault {
  readonly code: string;
  readonly outcome: Outcome | undefined;
}

export function toProblem(error: unknown): ApiProblem {
  if (error instanceof ApiProblem) return error;
  const fault = lowerFault(error);
  if (fault === undefined) return new ApiProblem("internal");
  const outcome = fault.outcome === undefined ? {} : { outcome: fault.outcome };
  switch (fault.code) {
    case "record_damaged":
    case "overloaded":
    case "disk_full":
    case "write_failed":
    case "store_unavailable":
    case "snapshot_overrun":
    case "snapshot_truncated":
      return new ApiProblem(fault.code, outcome);
    case "snapshot_corrupt":
      return new ApiProblem(fault.code, { ...outcome, detail: error instanceof Error ? error.message : "" });
    case "store_closed":
      return new ApiProblem("not_ready", outcome);
    default:
      return new ApiProblem("internal");
  }
}

/** Whether the problem tells of something an operator has to look at. */
export function isOperators(problem: ApiProblem): boolean {
  const status = problemKind(problem.code)?.status ?? 500;
  return status === 500 || status === 507;
}

function lowerFault(error: unknown): LowerFault | undefined {
  if (!(error instanceof Error) || !("fault" in error)) return undefined;
  const { fault } = error;
  if (typeof fault !== "object" || fault === null || !("code" in fault) || typeof fault.code !== "string") {
    return undefined;
  }
  const outcome =
    "outcome" in fault && (fault.outcome === "none" || fault.outcome === "unknown")
      ? fault.outcome
      : undefined;
  return { code: fault.code, outcome };
}
