import type { Mode } from "@hearsay/simulator";
import { type Command, InvalidArgumentError } from "commander";
import type { Io } from "../io.ts";
import { count, oneOf } from "../options.ts";

export interface SeedRange {
  readonly from: number;
  readonly to: number;
}

export interface ReplayFlags {
  readonly nodes: number;
  readonly minutes: number;
  readonly mode: Mode;
  /** Runs at most. */
  readonly shrink: number;
  readonly all?: boolean;
  readonly json?: boolean;
}

export interface MutantFlags {
  readonly seeds: SeedRange;
  readonly nodes: number;
  readonly minutes: number;
  readonly threads?: number;
  readonly json?: boolean;
}

export interface RunFlags extends MutantFlags {
  readonly mode: Mode;
  readonly twice?: boolean;
}

const MODES: readonly Mode[] = ["safety", "liveness"];
const SEEDS_MAX = 1_000_000;
const NODES_MAX = 16;
const SHRINK_RUNS = 150;

export function addSimRun(sim: Command, io: Io): void {
  const command = sim
    .command("run")
    .summary("run clusters from seeds, with faults, and check every invariant")
    .addHelpText(
      "before",
      `Examples:
  hearsay sim run
  hearsay sim run --seeds 1..200 --nodes 5 --minutes 10
  hearsay sim run --seeds 1..500 --minutes 2 --twice    and each must go the same way twice
  hearsay sim run --mode liveness
`,
    )
    .description(
      `Runs a cluster from each seed on virtual time: real nodes and stores, faults of every kind, clients that write through
all of it. Mode safety: anything may happen, and no invariant may break at any time. Mode liveness: a majority is healed,
the others stay broken for good, and the majority has to become one. Exits with 1 when an invariant breaks.`,
    );
  common(command)
    .option("--seeds <from..to>", "which (default: 1..20)", seeds, { from: 1, to: 20 })
    .option("--mode <mode>", "safety or liveness (default: safety)", oneOf(MODES), "safety")
    .option("--twice", "run each seed twice, and compare the traces")
    .option("--threads <n>", "at one time (default: as many as there are processors)", count)
    .option("--minutes <n>", "simulated minutes with faults (default: 10)", count, 10)
    .action(async (flags: RunFlags) => {
      const { runSeeds } = await import("../sim/run-seeds.ts");
      await runSeeds(io, flags);
    });
}

export function addSimReplay(sim: Command, io: Io): void {
  const command = sim
    .command("replay <seed>")
    .summary("run one seed, and show what it takes for an invariant to break")
    .addHelpText("before", "Examples:\n  hearsay sim replay 17 --minutes 10\n  hearsay sim replay 17 --all\n")
    .description(
      `Runs one seed as "hearsay sim run" does. When an invariant breaks, leaves out actions as long as the same one breaks, and
shows what remains, what happened last, and the command that shows it again. Exits with 1 then.`,
    );
  common(command)
    .option("--mode <mode>", "safety or liveness (default: safety)", oneOf(MODES), "safety")
    .option(
      "--shrink <runs>",
      `runs for cutting it down (default: ${SHRINK_RUNS}; 0: none)`,
      runs,
      SHRINK_RUNS,
    )
    .option("--all", "show the whole trace")
    .option("--minutes <n>", "simulated minutes with faults (default: 10)", count, 10)
    .action(async (text: string, flags: ReplayFlags) => {
      const { replaySeed } = await import("../sim/replay-seed.ts");
      await replaySeed(io, seed(text), flags);
    });
}

export function addSimMutants(sim: Command, io: Io): void {
  const command = sim
    .command("mutants")
    .summary("plant bugs, and see that each is caught")
    .addHelpText("before", "Examples:\n  hearsay sim mutants\n  hearsay sim mutants --seeds 1..50\n")
    .description(
      `Breaks one rule of the protocol at a time and runs seeds until an invariant notices. A checker that was never seen failing
proves nothing. Exits with 1 when a planted bug is not caught.`,
    );
  common(command)
    .option("--seeds <from..to>", "which, for each (default: 1..200)", seeds, { from: 1, to: 200 })
    .option("--threads <n>", "at one time (default: as many as there are processors)", count)
    .option("--minutes <n>", "simulated minutes with faults (default: 2)", count, 2)
    .action(async (flags: MutantFlags) => {
      const { huntMutants } = await import("../sim/run-seeds.ts");
      await huntMutants(io, flags);
    });
}

function common(command: Command): Command {
  return command
    .option("--nodes <n>", "nodes at the start (default: 5)", nodes, 5)
    .option("--json", "print data as JSON");
}

function seeds(text: string): SeedRange {
  const [, from, to] = /^(\d{1,9})(?:\.\.(\d{1,9}))?$/.exec(text) ?? [];
  const range = { from: Number(from), to: Number(to ?? from) };
  if (!(range.from <= range.to && range.to - range.from < SEEDS_MAX)) {
    throw new InvalidArgumentError(`Give up to ${SEEDS_MAX} seeds, for instance 1..200.`);
  }
  return range;
}

function seed(text: string): number {
  if (!/^\d{1,9}$/.test(text)) throw new InvalidArgumentError("Give a seed, a whole number.");
  return Number(text);
}

function runs(text: string): number {
  return text === "0" ? 0 : count(text);
}

function nodes(text: string): number {
  const value = count(text);
  if (value < 3 || value > NODES_MAX) throw new InvalidArgumentError(`Give a number from 3 to ${NODES_MAX}.`);
  return value;
}
