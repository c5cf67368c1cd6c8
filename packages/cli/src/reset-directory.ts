import { resolve } from "node:path";
import { openingError, resetDirectory } from "@hearsay/server";
import type { ResetFlags } from "./commands/reset.ts";
import { confirm } from "./confirm.ts";
import { workAsOwner } from "./directory-owner.ts";
import type { Io } from "./io.ts";
import { loadNodeConfig } from "./node-config.ts";
import { requireDirectory } from "./node-directory.ts";
import { Printer } from "./printer.ts";
import { ProgressLine } from "./progress.ts";
import { quantity } from "./quantity.ts";

export async function reset(io: Io, flags: ResetFlags): Promise<void> {
  const print = new Printer(io, { json: flags.json === true });
  const { settings } = loadNodeConfig(flags, io.env);
  const directory = resolve(settings.data);
  const empty = flags.empty === true;
  const alone = flags.alone === true;
  await requireDirectory(directory);
  if (alone) {
    await confirm(
      io,
      `Go on with ${directory} as a cluster of one? What only other members hold is lost, and one that still runs is a second cluster.`,
      flags,
    );
  }
  if (empty) await confirm(io, `Remove all data in ${directory}? What no other member holds is lost.`, flags);
  const progress = new ProgressLine(io, () => performance.now());
  const data = await workAsOwner(io, directory);
  const report = await resetDirectory(
    { ...settings, data },
    {
      empty,
      alone,
      onProgress: (removed) => progress.update(() => `${quantity(removed, "record")} removed`),
    },
  )
    .catch((error: unknown) => {
      throw openingError(error, directory);
    })
    .finally(() => progress.end());
  if (print.json) return print.document({ directory, ...report });
  await print.line(
    `${report.node} is given up; kept: ${quantity(report.kept, "record")}, removed: ${report.removed}.`,
  );
  await print.note(
    alone
      ? "The next start takes a new id and begins a cluster of one. Start it without --join; others join it, each after hearsay reset --empty --alone."
      : "The next start takes a new id and tells the others. Give it --join to enter their cluster.",
  );
}
