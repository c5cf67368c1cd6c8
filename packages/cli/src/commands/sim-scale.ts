import type { Command } from "commander";
import { InvalidArgumentError } from "commander";
import type { Io } from "../io.ts";

export interface ScaleFlags {
  readonly nodes?: readonly number[];
  readonly json?: boolean;
}

const NODES_MAX = 100_000;

export function addSimScale(sim: Command, io: Io): void {
  sim
    .command("scale [experiment...]")
    .summary("measure how the protocol grows with the number of nodes")
    .addHelpText(
      "before",
      `Examples:
  hearsay sim scale                                   100 to 10,000 nodes, 100,000 for rumors; some ten minutes
  hearsay sim scale rumors --nodes 100,1000,10000
  hearsay sim scale swim watermark --nodes 50,100,200 --json
`,
    )
    .description(
      `Runs the protocol machines with the product's own defaults on a virtual local network of more and more nodes, and fits how
each figure grows. Experiments: rumors, swim, watermark; all of them if none is named. Seeds are fixed. Bytes are those of the
messages as encoded, without HTTP around them.`,
    )
    .option("--nodes <list>", "sizes, joined by commas, five or more for a fit", sizes)
    .option("--json", "print data as JSON")
    .action(async (experiments: readonly string[], flags: ScaleFlags) => {
      const { printScale } = await import("../sim/print-scale.ts");
      await printScale(io, experiments, flags);
    });
}

function sizes(text: string): readonly number[] {
  return text.split(",").map((part) => {
    const value = /^\d{1,6}$/.test(part) ? Number(part) : 0;
    if (value < 2 || value > NODES_MAX)
      throw new InvalidArgumentError(`Give numbers from 2 to ${NODES_MAX}, joined by commas.`);
    return value;
  });
}
