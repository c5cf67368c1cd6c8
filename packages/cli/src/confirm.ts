import { CliError, EXIT } from "./failure.ts";
import type { Io } from "./io.ts";

/**
 * Asks before something is destroyed. Without a terminal to ask on, `--yes` is needed.
 * @throws CliError when the answer is not yes
 */
export async function confirm(io: Io, question: string, flags: { readonly yes?: boolean }): Promise<void> {
  if (flags.yes === true) return;
  if (!io.input.isTerminal || !io.err.isTerminal) {
    throw new CliError(`${question} Nothing was done.`, {
      code: "not_confirmed",
      exit: EXIT.usage,
      next: "Add --yes to do it without being asked.",
    });
  }
  await io.err.write(`${question} [y/N] `);
  let answer = "";
  for await (const part of io.input) {
    answer += Buffer.from(part).toString("utf8");
    if (answer.includes("\n")) break;
  }
  if (!/^y(es)?\s*$/i.test(answer)) {
    throw new CliError("Nothing was done.", { code: "not_confirmed", exit: EXIT.error });
  }
}
