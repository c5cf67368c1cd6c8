import type { Command } from "commander";
import type { Io } from "../io.ts";
import { type NodeFlags, withNodeFlags } from "../node-flags.ts";

export function addServe(program: Command, io: Io): void {
  const command = program
    .command("serve")
    .summary("run a node")
    .addHelpText(
      "before",
      `Examples:
  hearsay serve
  hearsay serve --name n1 --data /var/lib/hearsay --listen 127.0.0.1:7171
  hearsay serve --config node.yaml --set durability=os
`,
    )
    .description(
      "Runs a node until SIGINT or SIGTERM, then stops it gracefully. Its log goes to standard output, a JSON object a line.",
    );
  withNodeFlags(command).action(async (flags: NodeFlags) => {
    // Only the commands that need the server pay for loading it.
    const { serve } = await import("../serve-node.ts");
    await serve(io, flags);
  });
}
