import type { Command } from "commander";
import type { Io } from "../io.ts";
import { type NodeFlags, withNodeFlags } from "../node-flags.ts";

export interface ResetFlags extends NodeFlags {
  readonly empty?: boolean;
  readonly alone?: boolean;
  readonly yes?: boolean;
  readonly json?: boolean;
}

export function addReset(program: Command, io: Io): void {
  const command = program
    .command("reset")
    .summary("make a stopped node start under a new id")
    .addHelpText(
      "before",
      `Examples:
  hearsay reset --data /var/lib/hearsay
  hearsay reset --data ./n3 --empty --yes      and let the other members fill it again
  hearsay reset --data ./n3 --alone            the other members are gone for good
`,
    )
    .description(
      `Works on the data directory of a stopped node, after which its next start takes a new id of the same name and tells the
other members that the old id is retired: they wait for it no more. For a node that was forgotten or has left, or that
shall enter another cluster. The data stays unless --empty is given.`,
    )
    .option("--empty", "remove the data; what no other member holds is lost")
    .option(
      "--alone",
      "go on with the data as a cluster of one; only where no other member will ever come back",
    )
    .option("--yes", "do not ask before removing data, or before going on alone");
  withNodeFlags(command)
    .optionsGroup("Output:")
    .option("--json", "print data as JSON")
    .action(async (flags: ResetFlags) => {
      const { reset } = await import("../reset-directory.ts");
      await reset(io, flags);
    });
}
