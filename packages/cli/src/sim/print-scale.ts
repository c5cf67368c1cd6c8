/** `sim scale`: figures by the number of nodes, and how they grow. */
import {
  formatGrowth,
  growthsOf,
  SCALE_NAMES,
  SCALE_SIZES,
  type ScaleName,
  type ScaleRun,
} from "@hearsay/simulator";
import type { ScaleFlags } from "../commands/sim-scale.ts";
import type { Io } from "../io.ts";
import { Printer } from "../printer.ts";
import { ProgressLine } from "../progress.ts";
import { namesOf } from "./names.ts";
import { Pool } from "./pool.ts";
import { shownNumber } from "./print-paper.ts";

export async function printScale(io: Io, asked: readonly string[], flags: ScaleFlags): Promise<void> {
  const names = namesOf<ScaleName>("experiment", asked, SCALE_NAMES);
  const progress = new ProgressLine(io, () => performance.now());
  const show = (done: number, of: number): void => progress.update(() => `${done} of ${of} done`);
  const pool = new Pool({ signal: io.stopped, onDone: show });
  const running = names.flatMap((experiment) =>
    (flags.nodes ?? SCALE_SIZES[experiment]).map((nodes) =>
      pool.run<"scale">({ kind: "scale", experiment, nodes }),
    ),
  );
  show(0, running.length);
  const runs = await Promise.all(running).finally(() => pool.close());
  progress.end();
  const print = new Printer(io, { json: flags.json === true });
  const byName = names.map((name) => runs.filter(({ experiment }) => experiment === name));
  if (print.json) {
    await print.document({
      experiments: byName.map((of) => ({ runs: of, growth: Object.fromEntries(growthsOf(of)) })),
    });
    return;
  }
  for (const of of byName) await printExperiment(print, of);
}

async function printExperiment(print: Printer, runs: readonly ScaleRun[]): Promise<void> {
  const [first] = runs;
  if (first === undefined) return;
  const growths = growthsOf(runs);
  await print.table(
    [
      first.experiment.toUpperCase(),
      ...runs.map(({ nodes, note }) => `n = ${nodes}${note === undefined ? "" : "*"}`),
      "GROWS AS",
    ],
    first.measures.map(({ name }, i) => {
      const values = runs.map(({ measures }) => shownNumber(measures[i]?.value ?? Number.NaN));
      return [name, ...values, formatGrowth(growths.get(name))];
    }),
  );
  for (const note of new Set(runs.map((run) => run.note))) {
    if (note !== undefined) await print.line(`* ${note}`);
  }
  await print.line("");
}
