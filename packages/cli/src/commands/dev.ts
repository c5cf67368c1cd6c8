import type { Command } from "commander";
import { InvalidArgumentError } from "commander";
import type { Io } from "../io.ts";
import { collect } from "../options.ts";

export interface DevFlags {
  readonly nodes: number;
  readonly port?: number;
  readonly data?: string;
  readonly set?: readonly string[];
  readonly smoke?: boolean;
  readonly json?: boolean;
}

/** More than anybody looks at on one machine. */
const NODES_MAX = 32;
const DEFAULT_NODES = 3;

export function addDev(program: Command, io: Io): void {
  program
    .command("dev")
    .summary("run a cluster on this machine")
    .addHelpText(
      "before",
      `Examples:
  hearsay dev
  hearsay dev --nodes 5 --port 0 --data /tmp/try
  hearsay dev --smoke                          check that it works, with data of its own, and exit
`,
    )
    .description(
      `Runs nodes until SIGINT or SIGTERM, each a process of its own with a data directory of its own, and says when one
ends. --smoke writes, kills a node, deletes meanwhile, starts it again, waits until all hold the same, checks, and exits.`,
    )
    .option("--nodes <n>", `how many (default: ${DEFAULT_NODES})`, nodes, DEFAULT_NODES)
    .option(
      "--port <port>",
      "of the first; the others follow it; 0 takes free ones (default: 7171, or 0 with --smoke)",
      port,
    )
    .option(
      "--data <dir>",
      "holds a directory and a log for each (default: .hearsay/dev, with --port .hearsay/dev-PORT, temporary with --smoke)",
    )
    .option("--set <knob=value>", "any setting of the nodes; repeat it for more", collect)
    .option("--smoke", "check that a cluster works here, and exit")
    .option("--json", "print data as JSON")
    .action(async (flags: DevFlags) => {
      if (flags.smoke === true) {
        const { runSmoke } = await import("../dev/run-smoke.ts");
        await runSmoke(io, flags);
        return;
      }
      const { runDev } = await import("../dev/run-dev.ts");
      await runDev(io, flags);
    });
}

function nodes(text: string): number {
  const value = /^\d{1,3}$/.test(text) ? Number(text) : 0;
  if (value < 1 || value > NODES_MAX) throw new InvalidArgumentError(`Give a number from 1 to ${NODES_MAX}.`);
  return value;
}

function port(text: string): number {
  const value = /^\d{1,5}$/.test(text) ? Number(text) : -1;
  if (value < 0 || value > 65_535 - NODES_MAX)
    throw new InvalidArgumentError("Give a port, or 0 for free ones.");
  return value;
}
