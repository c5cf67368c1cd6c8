import type { Command } from "commander";
import { InvalidArgumentError } from "commander";
import type { Io } from "../io.ts";
import { collect } from "../options.ts";
import { type ClientFlags, inSession, PATIENT_ROUNDS, withClientFlags } from "../session.ts";

export interface ApplyFlags extends ClientFlags {
  readonly prefix: string;
  readonly prune?: boolean;
  readonly dryRun?: boolean;
  readonly wait?: boolean;
  readonly yes?: boolean;
  readonly exclude?: readonly string[];
  readonly maxValue: number;
  readonly maxDeletePercent: number;
  readonly allowMassDelete?: boolean;
}

const MAX_VALUE_BYTES = 1024 * 1024;
const MAX_DELETE_PERCENT = 20;

export function addApply(program: Command, io: Io): void {
  const command = program
    .command("apply")
    .summary("make keys of a directory's files")
    .argument("<dir>")
    .addHelpText(
      "before",
      `Examples:
  hearsay apply ./config --prefix app/ --dry-run
  hearsay apply ./config --prefix app/ --wait
  hearsay apply ./config --prefix app/ --prune --exclude .git
`,
    )
    .description(
      `Shows what differs between the files below DIR and the keys below the prefix, and writes it: DIR/a/b is the key
PREFIXa/b. Up to 1,000 keys and 4 MiB are one batch.`,
    )
    .requiredOption("--prefix <prefix>", "what the keys start with; may be empty")
    .option("--prune", "delete keys below the prefix that have no file")
    .option("--dry-run", "only show the plan")
    .option("--wait", "end when every member holds the writes, within --timeout (60s)")
    .option("--exclude <name>", "leave out files and directories of this name; repeat it for more", collect)
    .option(
      "--max-value <bytes>",
      "the largest file, as limits.maxValueBytes of the nodes",
      number,
      MAX_VALUE_BYTES,
    )
    .option("--max-delete-percent <n>", "of the keys, that --prune may delete", percent, MAX_DELETE_PERCENT)
    .option("--allow-mass-delete", "let --prune delete any number of keys")
    .option("--yes", "do not ask before keys are deleted");
  withClientFlags(command).action((directory: string, flags: ApplyFlags) =>
    inSession(
      io,
      flags,
      async (session) => {
        const { apply } = await import("../apply-directory.ts");
        await apply(session, directory, flags);
      },
      { rounds: PATIENT_ROUNDS },
    ),
  );
}

function number(text: string): number {
  if (!/^\d{1,9}$/.test(text)) throw new InvalidArgumentError("Give a whole number of bytes.");
  return Number(text);
}

function percent(text: string): number {
  const value = /^\d{1,3}$/.test(text) ? Number(text) : Number.NaN;
  if (!(value <= 100)) throw new InvalidArgumentError("Give a whole number from 0 to 100.");
  return value;
}
