/** Where a run, or a check of one, leaves what it leaves. Nothing that is there already is written over. */
import { mkdirSync, statSync } from "node:fs";
import { dirname, join } from "node:path";
import { CliError, EXIT } from "../failure.ts";
import { cannotBeCreated, makeDirectory } from "../make-directory.ts";

const REPORTS = ["report.html", "report.md"] as const;
export const HISTORY = "history.ndjson";
const OPTION = "--report";

/**
 * Makes the directory for what a run leaves: the one that is named, or else the next free one of those that are called by the seed.
 * @throws CliError where it cannot be made, and where the one that is named has another run
 */
export function directoryForRun(named: string | undefined, seed: number): string {
  if (named === undefined) return nextFree(`.hearsay/chaos-${seed}`);
  makeDirectory(named, OPTION);
  refuseTaken(named, [HISTORY, ...REPORTS]);
  return named;
}

/** A report may be made beside the history of its run, if none is there. @throws CliError as for a run */
export function directoryForReport(named: string): string {
  makeDirectory(named, OPTION);
  refuseTaken(named, REPORTS);
  return named;
}

/** One that this process has made: two runs may look for theirs at one time. */
function nextFree(base: string): string {
  makeDirectory(dirname(base), OPTION);
  for (let times = 1; ; times++) {
    const path = times === 1 ? base : `${base}-${times}`;
    try {
      mkdirSync(path, { mode: 0o700 });
      return path;
    } catch (error) {
      if (!(error instanceof Error && "code" in error && error.code === "EEXIST"))
        throw cannotBeCreated(path, OPTION, error);
    }
  }
}

function refuseTaken(directory: string, names: readonly string[]): void {
  const taken = names.find((name) => statSync(join(directory, name), { throwIfNoEntry: false })?.isFile());
  if (taken === undefined) return;
  throw new CliError(`${directory} has a ${taken} already`, {
    code: "report_exists",
    exit: EXIT.usage,
    next: `Name another directory with ${OPTION}, or move away what is there: nothing of a run is written over.`,
  });
}
