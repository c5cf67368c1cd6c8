/** A thread that dies over a run, its memory used up for instance, is a failure of that seed: all others still run. */
import type { Plan, RunReport } from "@hearsay/simulator";
import type { SeedRun } from "./jobs.ts";
import type { Pool } from "./pool.ts";

type JobOf<Kind> = Extract<Parameters<Pool["run"]>[0], { kind: Kind }>;

export async function runInThread(pool: Pool, job: JobOf<"run">): Promise<SeedRun> {
  return await pool.run<"run">(job).catch((error: unknown) => {
    return { report: reportOfDeath(pool, job.options, 0, error), isSame: undefined };
  });
}

/** When it dies is not known, so none of its actions is taken to have come after that. */
export async function attemptInThread(pool: Pool, job: JobOf<"attempt">): Promise<RunReport> {
  const { plan } = job;
  return await pool
    .run<"attempt">(job)
    .catch((error: unknown) => reportOfDeath(pool, plan, plan.durationMs, error));
}

/** @throws what the run has failed with, when all runs are being ended */
function reportOfDeath(
  pool: Pool,
  { seed, mode }: Pick<Plan, "seed" | "mode">,
  simulatedMs: number,
  error: unknown,
): RunReport {
  if (pool.isEnding) throw error;
  const detail = `its thread died: ${error instanceof Error ? (error.stack ?? error.message) : String(error)}`;
  return {
    seed,
    mode,
    violation: { invariant: "failure", detail },
    simulatedMs,
    traceHash: "unknown",
    lines: [],
    fired: {},
    checks: {},
    operations: { acknowledged: 0, refused: 0, unknown: 0, reads: 0 },
    answered: {},
    counted: {},
    writes: 0,
    messages: 0,
  };
}
