import type { Command } from "commander";
import type { Io } from "../io.ts";
import { addSimPaper } from "./sim-paper.ts";
import { addSimMutants, addSimReplay, addSimRun } from "./sim-run.ts";
import { addSimScale } from "./sim-scale.ts";

export function addSim(program: Command, io: Io): void {
  const sim = program
    .command("sim")
    .summary("run the protocol's own code on virtual time")
    .addHelpText(
      "before",
      "Examples:\n  hearsay sim run --seeds 1..200\n  hearsay sim replay 17 --minutes 10\n",
    )
    .description(
      "Runs the protocol's own code on virtual time: nothing here touches a network, a disk or a node that runs.",
    );
  addSimRun(sim, io);
  addSimReplay(sim, io);
  addSimMutants(sim, io);
  addSimPaper(sim, io);
  addSimScale(sim, io);
}
