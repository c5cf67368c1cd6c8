import type { Command } from "commander";
import { InvalidArgumentError } from "commander";
import type { Io } from "../io.ts";
import { count } from "../options.ts";

export interface PaperFlags {
  readonly nodes?: number;
  readonly k?: number;
  readonly fanout?: number;
  readonly loss?: number;
  readonly runs?: number;
  readonly svg?: string;
  readonly json?: boolean;
}

/** What the experiments can hold in one process, and finish. */
const NODES_MAX = 100_000;

export function addSimPaper(sim: Command, io: Io): void {
  sim
    .command("paper [table...]")
    .summary("measure the published figures of gossip with this code")
    .addHelpText(
      "before",
      `Examples:
  hearsay sim paper                                     every table, about two minutes
  hearsay sim paper demers rounds
  hearsay sim paper rounds --nodes 5000 --fanout 2 --loss 0.05 --runs 5
  hearsay sim paper rounds --svg infection.svg          and a plot of infection over rounds
`,
    )
    .description(
      `Runs this project's protocol code in the settings of the papers and prints what it measures beside what they published.
Tables: demers, rounds, swim, memberlist, phi, glomers, articles, baselines; all of them if none is named. Seeds are fixed,
so each run prints the same. Exits with 1 when a figure lies outside its band. With a flag that changes a setting, the table
is measured beyond the paper, and only formulas that hold for any setting still have a band.`,
    )
    .option("--nodes <n>", `how many nodes, up to ${NODES_MAX}`, nodes)
    .option("--k <k>", "needless contacts that end a rumor, or the coin's odds", count)
    .option("--fanout <n>", "peers a node contacts in a round", count)
    .option("--loss <share>", "share of messages lost, from 0 up to 0.9", share)
    .option("--runs <n>", "runs of each experiment that is averaged, with seeds 1, 2 and so on", count)
    .option("--svg <file>", "also write a plot of infection over rounds: push, pull and push-pull")
    .option("--json", "print data as JSON")
    .action(async (tables: readonly string[], flags: PaperFlags) => {
      const { printPaper } = await import("../sim/print-paper.ts");
      await printPaper(io, tables, flags);
    });
}

function nodes(text: string): number {
  const value = count(text);
  if (value < 2 || value > NODES_MAX) throw new InvalidArgumentError(`Give a number from 2 to ${NODES_MAX}.`);
  return value;
}

function share(text: string): number {
  const value = /^(0|0?\.\d{1,6})$/.test(text) ? Number(text) : Number.NaN;
  if (!(value <= 0.9)) throw new InvalidArgumentError("Give a share from 0 up to 0.9, for instance 0.05.");
  return value;
}
