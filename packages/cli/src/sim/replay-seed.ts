import { describeAction, makePlan, runPlan, shrink } from "@hearsay/simulator";
import type { ReplayFlags } from "../commands/sim-run.ts";
import { CliError, EXIT } from "../failure.ts";
import type { Io } from "../io.ts";
import { Printer } from "../printer.ts";
import { ProgressLine } from "../progress.ts";
import { platform } from "./platform.ts";
import { replayCommand } from "./run-seeds.ts";

/** Of a whole trace, what is shown unless all is asked for. */
const SHOWN_LINES = 40;

export async function replaySeed(io: Io, seed: number, flags: ReplayFlags): Promise<void> {
  const print = new Printer(io, { json: flags.json === true });
  const { nodes, minutes, mode } = flags;
  const plan = makePlan({ seed, nodes, minutes, mode });
  const report = await runPlan(platform, plan, { keepsLines: true });
  io.stopped.throwIfAborted();
  const line = new ProgressLine(io, () => performance.now());
  const shrunk =
    report.violation === undefined || flags.shrink === 0
      ? undefined
      : await shrink(platform, plan, report, {
          maxRuns: flags.shrink,
          onRun: (actions, runs) => {
            io.stopped.throwIfAborted();
            line.update(
              () => `shrinking: ${actions} of ${plan.actions.length} actions left after ${runs} runs`,
            );
          },
        });
  line.end();
  const { lines, violation, traceHash, simulatedMs } = shrunk?.report ?? report;
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
