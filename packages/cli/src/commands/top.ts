import type { Command } from "commander";
import type { Io } from "../io.ts";
import { duration } from "../options.ts";
import { type ClientFlags, inSession, withClientFlags } from "../session.ts";

export interface TopFlags extends ClientFlags {
  readonly once?: boolean;
  readonly interval: number;
}

export function addTop(program: Command, io: Io): void {
  const command = program
    .command("top")
    .summary("watch the members")
    .addHelpText("before", "Examples:\n  hearsay top\n  hearsay top --interval 5s\n  hearsay top --once\n")
    .description(
      "Shows the members and how they are doing, until Ctrl-C. Without a terminal, or with --once, once.",
    )
    .option("--once", "print once and exit")
    .option("--interval <duration>", "between two looks (default: 1s)", duration, 1_000);
  withClientFlags(command).action((flags: TopFlags) =>
    inSession(io, flags, async (session) => {
      const { runTop } = await import("../run-top.ts");
      await runTop(session, flags);
    }),
  );
}
