import { CommanderError } from "commander";
import { CliError, EXIT, ExitWith, exitOf, type Report, reportOf } from "./failure.ts";
import { type Io, Stopped } from "./io.ts";
import { style } from "./printer.ts";
import { buildProgram } from "./program.ts";

/** Runs one command line. Returns the exit code; everything there is to say has been said. */
export async function run(args: readonly string[], io: Io): Promise<number> {
  const program = buildProgram(io);
  try {
    requireUtf8(args);
    await program.parseAsync(args, { from: "user" });
    return EXIT.ok;
  } catch (failure) {
    const says = failure instanceof CommanderError || failure instanceof ExitWith;
    const error = io.stopped.aborted && !says ? io.stopped.reason : failure;
    if (error instanceof Stopped) return exitOf(error);
    const report = reportOf(error);
    if (report !== undefined) await io.err.write(format(io, report, args.includes("--json")));
    return exitOf(error);
  }
}

/** Bytes that are no UTF-8 have become U+FFFD before anyone sees them: two keys would be one, and a value another. */
function requireUtf8(args: readonly string[]): void {
  const broken = args.find((arg) => arg.includes("\uFFFD"));
  if (broken === undefined) return;
  throw new CliError(`the argument ${JSON.stringify(broken)} is not UTF-8, or has U+FFFD in it`, {
    code: "argument_not_utf8",
    exit: EXIT.usage,
    next: "Hand such a value in by standard input (-) or --file. Keys are UTF-8; one with U+FFFD can be reached over HTTP.",
  });
}

function format(io: Io, report: Report, asJson: boolean): string {
  if (asJson) return `${JSON.stringify({ error: report })}\n`;
  const outcome =
    report.outcome === "unknown" ? "It may have taken effect: look before you do it again.\n" : "";
  const next = report.next === undefined ? "" : `${report.next}\n`;
  return `${style.bad(io, "err", "error:")} ${report.message}\n${outcome}${next}`;
}
