import type { Command } from "commander";
import type { Io } from "../io.ts";
import { type NodeFlags, withNodeFlags } from "../node-flags.ts";
import { type ClientFlags, inSession, withClientFlags } from "../session.ts";

type DoctorFlags = NodeFlags & ClientFlags;

export function addDoctor(program: Command, io: Io): void {
  const command = program
    .command("doctor")
    .summary("find what keeps a node from working")
    .addHelpText(
      "before",
      `Examples:
  hearsay doctor
  hearsay doctor --data ./data --listen 127.0.0.1:7171
  hearsay doctor --endpoint http://other:7171 --json
`,
    )
    .description("Checks this machine and the node on it, and names the next step for each finding.");
  withClientFlags(withNodeFlags(command)).action((flags: DoctorFlags) =>
    inSession(
      io,
      flags,
      async (session) => {
        const { examine } = await import("../doctor/examination.ts");
        await examine(session, flags);
      },
      // What it finds is what it tells.
      { rounds: 1 },
    ),
  );
}
