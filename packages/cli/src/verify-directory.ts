/** Examines the data directory of a node that does not run. */
import { resolve } from "node:path";
import { openingError, openStore } from "@hearsay/server";
import { workAsOwner } from "./directory-owner.ts";
import { CliError, EXIT } from "./failure.ts";
import type { Io } from "./io.ts";
import { loadNodeConfig } from "./node-config.ts";
import { requireDirectory } from "./node-directory.ts";
import type { NodeFlags } from "./node-flags.ts";
import { type Printer, shownKey } from "./printer.ts";
import { ProgressLine } from "./progress.ts";

/** Prints the report. Fails when the directory cannot be opened, or is another node's or cluster's, when the accounts of the store do not agree or a record is damaged. */
export async function verifyDirectory(
  io: Io,
  print: Printer,
  flags: NodeFlags,
  options: { readonly deep: boolean },
): Promise<void> {
  const { settings } = loadNodeConfig(flags, io.env);
  const directory = resolve(settings.data);
  await requireDirectory(directory);
  const seen: string[] = [];
  const log = { info: () => undefined, warn: () => undefined, error: () => undefined };
  const own = { ...settings, data: await workAsOwner(io, directory) };
  const opened = await openStore(own, log, ({ code }) => seen.push(code)).catch((error: unknown) => {
    throw openingError(error, directory);
  });
  const progress = new ProgressLine(io, () => performance.now());
  try {
    const onProgress = (entries: number): void => progress.update(() => `${entries} entries read`);
    const report = await opened.store.verify({ deep: options.deep, onProgress });
    progress.end();
    const events = [...new Set(seen)];
    if (print.json) await print.document({ directory, ...report, events });
    else {
      const facts = Object.entries({ directory, ...report, events: events.join(", ") || "none" });
      const shown = facts.filter(([name]) => name !== "differingKeys");
      await print.table(
        ["FACT", "VALUE"],
        shown.map(([name, value]) => [name, String(value)]),
      );
      for (const key of report.differingKeys) await print.line(`differs: ${shownKey(key)}`);
    }
    if (!report.consistent || report.damaged > 0) {
      throw new CliError(`${directory} holds damaged data`, {
        code: "damaged",
        exit: EXIT.error,
        next: "Start the node: it rebuilds what it can and keeps the damaged records aside. Then restore a snapshot with --mode missing.",
      });
    }
  } finally {
    progress.end();
    await opened.close();
  }
}
