import { type Command, InvalidArgumentError } from "commander";
import type { Io } from "../io.ts";
import { collect, duration } from "../options.ts";

export interface ExecFlags {
  readonly prefix: readonly string[];
  readonly signal?: NodeJS.Signals;
  readonly killAfter: number;
  readonly splay: number;
  readonly state?: string;
  readonly allowEmpty?: boolean;
  readonly endpoint?: readonly string[];
}

const KILL_AFTER_MS = 10_000;

export function addExec(program: Command, io: Io): void {
  program
    .command("exec")
    .summary("run a command with values as its environment")
    .argument("<command...>", "behind --, with its own options")
    .addHelpText(
      "before",
      `Examples:
  hearsay exec --prefix app/ -- node server.js
  hearsay exec --prefix common/ --prefix app/ --signal HUP -- ./server --port 80
`,
    )
    .description(
      `Starts the command once the keys below the prefixes are whole, app/db/url as DB_URL; a later prefix goes before an
earlier one. On a change it is ended and started anew, or with --signal told. Ends as the command ends.`,
    )
    .requiredOption("--prefix <prefix>", "keys that become variables; repeat it for more", collect)
    .option("--signal <name>", "send this on a change instead of restarting, for instance HUP", signalName)
    .option("--kill-after <duration>", "between SIGTERM and SIGKILL", duration, KILL_AFTER_MS)
    .option(
      "--splay <duration>",
      "wait up to so long before acting on a change, drawn at random",
      duration,
      0,
    )
    .option("--state <dir>", "keep the last good values there, to start from while no node answers")
    .option("--allow-empty", "act also when the prefixes lost all their keys")
    .optionsGroup("Connection:")
    .option("-e, --endpoint <url>", "node to talk to; repeat it to name others to fall back on", collect)
    .action(async (words: readonly string[], flags: ExecFlags) => {
      const { exec } = await import("../exec-process.ts");
      await exec(io, words, flags);
    });
}

const SIGNALS = ["SIGHUP", "SIGUSR1", "SIGUSR2", "SIGINT", "SIGQUIT", "SIGTERM", "SIGWINCH"] as const;

function signalName(text: string): NodeJS.Signals {
  const name = text.toUpperCase().replace(/^(?!SIG)/, "SIG");
  const found = SIGNALS.find((signal) => signal === name);
  if (found === undefined) throw new InvalidArgumentError(`Give one of ${SIGNALS.join(", ")}.`);
  return found;
}
