import type { Command } from "commander";
import type { Io } from "../io.ts";
import { type NodeFlags, withNodeFlags } from "../node-flags.ts";
import { Printer } from "../printer.ts";

interface ShowFlags extends NodeFlags {
  readonly origin?: boolean;
  readonly json?: boolean;
}

export function addConfigCommands(program: Command, io: Io): void {
  const config = program
    .command("config")
    .summary("show a node's settings")
    .addHelpText("before", "Examples:\n  hearsay config show --origin\n")
    .description("Settings of a node.");
  const show = config
    .command("show")
    .summary("print every setting")
    .addHelpText(
      "before",
      `Examples:
  hearsay config show --origin
  hearsay config show --config node.yaml --set durability=os --json
`,
    )
    .description("Prints every setting as serve would take it with the same flags, environment and file.")
    .option("--origin", "with where each value comes from")
    .option("--json", "print data as JSON");
  withNodeFlags(show).action(async (flags: ShowFlags) => {
    const print = new Printer(io, { json: flags.json === true });
    const { settingRows } = await import("../setting-rows.ts");
    const rows = settingRows(flags, io.env);
    if (print.json) return print.document(rows);
    const columns = flags.origin === true ? ["SETTING", "VALUE", "ORIGIN"] : ["SETTING", "VALUE"];
    await print.table(
      columns,
      rows.map(({ name, value, origin }) => [name, value, origin].slice(0, columns.length)),
    );
  });
}
