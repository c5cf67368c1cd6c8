import { MUTANTS } from "@hearsay/simulator";
import type { MutantFlags, RunFlags } from "../commands/sim-run.ts";
import { CliError, EXIT } from "../failure.ts";
import { invocation } from "../invocation.ts";
import type { Io } from "../io.ts";
import { Printer } from "../printer.ts";
import { ProgressLine } from "../progress.ts";
import { quantity } from "../quantity.ts";
import { Pool } from "./pool.ts";
import { printSummary, Summary } from "./summary.ts";
import { runInThread } from "./thread-death.ts";

const BAR = 24;

export async function runSeeds(io: Io, flags: RunFlags): Promise<void> {
  const print = new Printer(io, { json: flags.json === true });
  const { seeds, nodes, minutes, mode } = flags;
  const summary = new Summary();
  const total = seeds.to - seeds.from + 1;
  const line = new ProgressLine(io, () => performance.now());
  const pool = new Pool({ signal: io.stopped, threads: flags.threads });
  const show = (): void =>
    line.update(() => `${bar(summary.runs, total)} ${quantity(summary.violations, "violation")}`);
  // All of them together may take hours; whatever ends the command meanwhile, this was said.
  const tell = async (text: string): Promise<void> => {
    if (print.json) return;
    line.end();
    await print.note(text);
  };
  const run = async (seed: number): Promise<void> => {
    const options = { seed, nodes, minutes, mode };
    const result = await runInThread(pool, { kind: "run", options, twice: flags.twice === true });
    const failed = summary.add(result);
    if (failed !== undefined)
      await tell(`seed ${seed} breaks ${failed.violation.invariant}: ${replayCommand(seed, flags)}`);
    if (result.isSame === false) await tell(`seed ${seed} went another way the second time`);
    show();
  };
  let next = seeds.from;
  // A million that wait for a thread would each have to be told that the command ends.
  const lane = async (): Promise<void> => {
    while (next <= seeds.to) {
      const seed = next;
      next += 1;
      await run(seed);
    }
  };
  const before = process.cpuUsage();
  show();
  try {
    await Promise.all(Array.from({ length: pool.threads }, lane));
  } catch (error) {
    if (!io.stopped.aborted) throw error;
  } finally {
    await pool.close();
    line.end();
  }
  const { user, system } = process.cpuUsage(before);
  summary.cpuMs = (user + system) / 1000 / (flags.twice === true ? 2 : 1);
  summary.failed.sort((a, b) => a.seed - b.seed);
  await printSummary(print, summary, { mode, asked: total });
  if (summary.runs < total) throw io.stopped.reason;
  const [first] = summary.failed;
  if (first !== undefined) {
    throw new CliError(`seed ${first.seed} breaks ${first.violation.invariant}`, {
      code: "invariant_broken",
      exit: EXIT.error,
      next: `See how: ${replayCommand(first.seed, flags)}`,
    });
  }
  if (summary.unequal.length > 0) {
    throw new CliError(`seeds that do not replay: ${summary.unequal.join(", ")}`, {
      code: "not_deterministic",
      exit: EXIT.error,
    });
  }
}

export function replayCommand(seed: number, { nodes, minutes, mode }: Omit<RunFlags, "seeds">): string {
  return `${invocation()} sim replay ${seed} --nodes ${nodes} --minutes ${minutes} --mode ${mode}`;
}

export async function huntMutants(io: Io, flags: MutantFlags): Promise<void> {
  const print = new Printer(io, { json: flags.json === true });
  const { seeds, nodes, minutes } = flags;
  const line = new ProgressLine(io, () => performance.now());
  const pool = new Pool({
    signal: io.stopped,
    threads: flags.threads,
    onDone: (done, of) => line.update(() => bar(done, of)),
  });
  const options = { seeds, nodes, minutes };
  line.update(() => bar(0, MUTANTS.length));
  const running = MUTANTS.map(({ name }) => pool.run<"hunt">({ kind: "hunt", mutant: name, options }));
  const hunts = await Promise.all(running).finally(() => pool.close());
  line.end();
  if (print.json) await print.document({ mutants: hunts });
  else {
    await print.table(
      ["MUTANT", "SEED", "CAUGHT BY", "THE RULE IT BREAKS"],
      hunts.map(({ mutant, seed, violation, breaks }) => [
        mutant,
        seed === undefined ? "-" : String(seed),
        violation?.invariant ?? "SURVIVED",
        breaks,
      ]),
    );
  }
  const survivors = hunts.filter(({ seed }) => seed === undefined).map(({ mutant }) => mutant);
  if (survivors.length === 0) return;
  throw new CliError(`not caught: ${survivors.join(", ")}`, { code: "mutants_survived", exit: EXIT.error });
}

function bar(done: number, total: number): string {
  const full = Math.round((BAR * done) / total);
  return `${"#".repeat(full)}${".".repeat(BAR - full)} ${done}/${total}`;
}
