import { type Command, Option } from "commander";
import type { Io } from "../io.ts";
import { type NodeFlags, withNodeFlags } from "../node-flags.ts";

interface ServeFlags extends NodeFlags {
  readonly withParent?: boolean;
}

export function addServe(program: Command, io: Io): void {
  const command = program
    .command("serve")
    .summary("run a node")
    .addHelpText(
      "before",
      `Examples:
  hearsay serve
  hearsay serve --name n1 --data /var/lib/hearsay --listen 127.0.0.1:7171
  hearsay serve --name n2 --data ./n2 --listen 127.0.0.1:7172 --join 127.0.0.1:7171
  hearsay serve --config node.yaml --set durability=os
`,
    )
    .description(
      "Runs a node until SIGINT, SIGTERM or SIGHUP, then stops it gracefully. Its log goes to standard output, a JSON object a line.",
    );
  const withParent = new Option("--with-parent", "end when the IPC channel to the parent process closes");
  withNodeFlags(command)
    .addOption(withParent.hideHelp())
    .action(async (flags: ServeFlags) => {
      // Only the commands that need the server pay for loading it.
      const { serve } = await import("../serve-node.ts");
      await serve(io, flags, { withParent: flags.withParent === true });
    });
}
