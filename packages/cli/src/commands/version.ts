import type { Command } from "commander";
import { packageVersion } from "../build.ts";
import type { Io } from "../io.ts";
import { Printer } from "../printer.ts";

export function addVersion(program: Command, io: Io): void {
  program
    .command("version")
    .summary("print the version")
    .addHelpText("before", "Examples:\n  hearsay version\n  hearsay version --json\n")
    .description("Prints the version of hearsay, of Node and of the platform.")
    .option("--json", "print data as JSON")
    .action(async (flags: { readonly json?: boolean }) => {
      const print = new Printer(io, { json: flags.json === true });
      const facts = {
        version: packageVersion(),
        node: process.versions.node,
        platform: `${process.platform}-${process.arch}`,
      };
      if (print.json) return print.document(facts);
      await print.line(`hearsay ${facts.version} (Node ${facts.node}, ${facts.platform})`);
    });
}
