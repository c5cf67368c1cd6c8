import type { Command } from "commander";
import type { Io } from "../io.ts";
import { collect, duration } from "../options.ts";

export interface AgentFlags {
  readonly config: string;
  readonly once?: boolean;
  readonly dryRun?: boolean;
  readonly allowEmpty?: boolean;
  readonly failOnMissing?: boolean;
  readonly endpoint?: readonly string[];
  readonly timeout: number;
  readonly json?: boolean;
}

const ONCE_MS = 30_000;

export function addAgent(program: Command, io: Io): void {
  program
    .command("agent")
    .summary("keep files as keys say, and reload what reads them")
    .addHelpText(
      "before",
      `Examples:
  hearsay agent -c agent.yaml
  hearsay agent -c agent.yaml --dry-run
  hearsay agent -c agent.yaml --once --fail-on-missing
`,
    )
    .description(
      `Renders files from keys, checks them, puts them in place and runs reload commands, on every change. Its log goes to
standard output, a JSON object a line. SIGHUP reads the settings again; SIGINT or SIGTERM ends it with 0.`,
    )
    .requiredOption("-c, --config <file>", "the settings, YAML; docs/agent.md has them all")
    .option("--once", "make every file once, then end")
    .option("--dry-run", "show what would change, then end")
    .option("--allow-empty", "let files and prefixes become empty or shrink by any share")
    .option("--fail-on-missing", "a template that asks for a missing key without a default fails")
    .optionsGroup("Connection:")
    .option(
      "-e, --endpoint <url>",
      "instead of the settings' own; repeat it for others to fall back on",
      collect,
    )
    .option(
      "--timeout <duration>",
      "with --once and --dry-run, the longest wait for values",
      duration,
      ONCE_MS,
    )
    .optionsGroup("Output:")
    .option("--json", "with --once and --dry-run, print data as JSON")
    .action(async (flags: AgentFlags) => {
      const { agent } = await import("../agent-process.ts");
      await agent(io, flags);
    });
}
