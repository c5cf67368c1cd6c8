import {
  describeAction,
  makePlan,
  type Plan,
  type RunReport,
  relevantLines,
  runPlan,
  type Shrunk,
  shrink,
} from "@hearsay/simulator";
import type { ReplayFlags } from "../commands/sim-run.ts";
import { CliError, EXIT } from "../failure.ts";
import type { Io } from "../io.ts";
import { Printer } from "../printer.ts";
import { ProgressLine } from "../progress.ts";
import { platform } from "./platform.ts";
import { Pool } from "./pool.ts";
import { replayCommand } from "./run-seeds.ts";

/** Of a whole trace, what is shown unless all is asked for. */
const SHOWN_LINES = 60;

export async function replaySeed(io: Io, seed: number, flags: ReplayFlags): Promise<void> {
  const print = new Printer(io, { json: flags.json === true });
  const { nodes, minutes, mode } = flags;
  const plan = makePlan({ seed, nodes, minutes, mode });
  const report = await runPlan(platform, plan, { keepsLines: true });
  io.stopped.throwIfAborted();
  const shrunk =
    report.violation === undefined || flags.shrink === 0
      ? undefined
      : await shrinkPlan(io, plan, report, flags.shrink);
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

/** On all processors; the report is that of the plan that was found, with its lines. */
async function shrinkPlan(io: Io, plan: Plan, report: RunReport, maxRuns: number): Promise<Shrunk> {
  const line = new ProgressLine(io, () => performance.now());
  const pool = new Pool({ signal: io.stopped });
  const shrunk = await shrink(plan, report, {
    maxRuns,
    lanes: pool.threads,
    run: (candidate, endMs) => pool.run<"attempt">({ kind: "attempt", plan: candidate, endMs }),
    onRun: (actions, runs) =>
      line.update(() => `shrinking: ${actions} of ${plan.actions.length} actions left after ${runs} runs`),
  }).finally(() => pool.close());
  line.end();
  const { endMs } = shrunk;
  return { ...shrunk, report: await runPlan(platform, shrunk.plan, { keepsLines: true, endMs }) };
}
