import {
  describeAction,
  makePlan,
  type Plan,
  type RunReport,
  relevantLines,
  type Shrunk,
  shrink,
} from "@hearsay/simulator";
import type { ReplayFlags } from "../commands/sim-run.ts";
import { CliError, EXIT } from "../failure.ts";
import type { Io } from "../io.ts";
import { Printer } from "../printer.ts";
import { ProgressLine } from "../progress.ts";
import { Pool } from "./pool.ts";
import { replayCommand } from "./run-seeds.ts";
import { attemptInThread } from "./thread-death.ts";

/** Of a whole trace, what is shown unless all is asked for. */
const SHOWN_LINES = 60;

export async function replaySeed(io: Io, seed: number, flags: ReplayFlags): Promise<void> {
  const print = new Printer(io, { json: flags.json === true });
  const { nodes, minutes, mode } = flags;
  const plan = makePlan({ seed, nodes, minutes, mode });
  // In a thread, as a run lets nothing in, not even the signal that is to stop it.
  const pool = new Pool({ signal: io.stopped });
  const { report, shrunk } = await runAndShrink(io, pool, plan, flags.shrink).finally(() => pool.close());
  const { violation, traceHash, simulatedMs, lines: all } = shrunk?.report ?? report;
  const lines = flags.all === true ? all : relevantLines(all, violation);
  const actions = shrunk?.plan.actions ?? [];
  if (print.json) {
    await print.document({ seed, mode, violation, traceHash: report.traceHash, simulatedMs, actions, lines });
  } else {
    for (const text of flags.all === true ? lines : lines.slice(-SHOWN_LINES)) await print.line(text);
    if (actions.length > 0) await print.line(`\nWhat it takes, of ${plan.actions.length} actions:`);
    for (const action of actions) await print.line(describeAction(action));
    await print.line(
      `\nseed ${seed}, trace ${report.traceHash}, ${(report.simulatedMs / 1000).toFixed(0)} simulated seconds`,
    );
    if (shrunk !== undefined) await print.line(`shrunk in ${shrunk.runs} runs, trace ${traceHash}`);
  }
  if (violation === undefined) return;
  throw new CliError(`seed ${seed} breaks ${violation.invariant}: ${violation.detail}`, {
    code: "invariant_broken",
    exit: EXIT.error,
    next: `Again: ${replayCommand(seed, flags)}`,
  });
}

interface Replayed {
  readonly report: RunReport;
  readonly shrunk: Shrunk | undefined;
}

async function runAndShrink(io: Io, pool: Pool, plan: Plan, maxRuns: number): Promise<Replayed> {
  const report = await runIn(pool, plan, undefined, true);
  const isWhole = report.violation === undefined || maxRuns === 0;
  return { report, shrunk: isWhole ? undefined : await shrinkPlan(io, pool, plan, report, maxRuns) };
}

async function runIn(
  pool: Pool,
  plan: Plan,
  endMs: number | undefined,
  keepsLines: boolean,
): Promise<RunReport> {
  return await attemptInThread(pool, { kind: "attempt", plan, endMs, keepsLines });
}

/** On all processors; the report is that of the plan that was found, with its lines. */
async function shrinkPlan(
  io: Io,
  pool: Pool,
  plan: Plan,
  report: RunReport,
  maxRuns: number,
): Promise<Shrunk> {
  const line = new ProgressLine(io, () => performance.now());
  const shrunk = await shrink(plan, report, {
    maxRuns,
    lanes: pool.threads,
    run: (candidate, endMs) => runIn(pool, candidate, endMs, false),
    onRun: (actions, runs) =>
      line.update(() => `shrinking: ${actions} of ${plan.actions.length} actions left after ${runs} runs`),
  });
  line.end();
  return { ...shrunk, report: await runIn(pool, shrunk.plan, shrunk.endMs, true) };
}
