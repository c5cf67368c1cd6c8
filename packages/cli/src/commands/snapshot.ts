import { createReadStream } from "node:fs";
import { stat } from "node:fs/promises";
import { performance } from "node:perf_hooks";
import type { RestoreMode } from "@hearsay/api";
import type { Command } from "commander";
import { confirm } from "../confirm.ts";
import { CliError, EXIT } from "../failure.ts";
import type { Io } from "../io.ts";
import { oneOf } from "../options.ts";
import { Printer } from "../printer.ts";
import { ProgressLine, shownBytes } from "../progress.ts";
import { quantity } from "../quantity.ts";
import { type ClientFlags, inSession, type Session, withClientFlags } from "../session.ts";

interface RestoreFlags extends ClientFlags {
  readonly mode: RestoreMode;
  readonly dryRun?: boolean;
  readonly revive?: boolean;
  readonly yes?: boolean;
}

const MODES = ["missing", "as-new", "exact"] as const;

export function addSnapshotCommands(program: Command, io: Io): void {
  const snapshot = program
    .command("snapshot")
    .summary("save, restore and inspect snapshots")
    .addHelpText(
      "before",
      `Examples:
  hearsay snapshot save backup.snapshot
  hearsay snapshot inspect backup.snapshot
  hearsay snapshot restore backup.snapshot --mode missing
`,
    )
    .description("A snapshot holds everything a node has: values, concurrent versions and deletes.");
  addSave(snapshot, io);
  addRestore(snapshot, io);
  addInspect(snapshot, io);
}

function addSave(snapshot: Command, io: Io): void {
  const command = snapshot
    .command("save")
    .summary("save a node's data to a file")
    .argument("<file>", "where to, or - for standard output")
    .addHelpText(
      "before",
      `Examples:
  hearsay snapshot save backup.snapshot
  hearsay snapshot save - | zstd > backup.snapshot.zst
`,
    )
    .description(
      "Saves a consistent snapshot. The file appears under its name only once it is whole, checked and on disk.",
    );
  withClientFlags(command).action((file: string, flags: ClientFlags) =>
    inSession(io, flags, async ({ ofOneNode }) => {
      const { saveSnapshot } = await import("../save-snapshot.ts");
      // Another node does not know what is missing in it.
      await ofOneNode((session) => saveSnapshot(session, file));
    }),
  );
}

function addRestore(snapshot: Command, io: Io): void {
  const command = snapshot
    .command("restore")
    .summary("apply a snapshot to a node")
    .argument("<file>")
    .addHelpText(
      "before",
      `Examples:
  hearsay snapshot restore backup.snapshot --mode missing --dry-run
  hearsay snapshot restore backup.snapshot --mode missing
  hearsay snapshot restore backup.snapshot --mode as-new --yes
`,
    )
    .description(
      `Applies a snapshot. missing: only keys that have neither a value nor a delete here. as-new: every value, over
what is there, but keys that are deleted here stay so without --revive. exact: the records as they were, into an empty node that no other has joined yet.`,
    )
    .requiredOption("-m, --mode <mode>", "missing, as-new or exact", oneOf(MODES))
    .option("--dry-run", "only say what would be done")
    .option("--revive", "with as-new, keys that are deleted here get their values back")
    .option("--yes", "do not ask before values are overwritten");
  withClientFlags(command).action((file: string, flags: RestoreFlags) =>
    inSession(io, flags, (session) => restore(session, file, flags), { bodyFile: file }),
  );
}

async function restore(session: Session, file: string, flags: RestoreFlags): Promise<void> {
  const { client, io, print, signal, curl } = session;
  const { size } = await stat(file);
  if (flags.revive === true && flags.mode !== "as-new") {
    throw new CliError("--revive goes with --mode as-new", { code: "usage", exit: EXIT.usage });
  }
  const overwrites = flags.mode === "as-new" && flags.dryRun !== true;
  const revives = flags.revive === true ? ", and bring back those that are deleted" : "";
  if (overwrites && !curl)
    await confirm(io, `Overwrite the values of all keys in the snapshot${revives}?`, flags);
  const progress = new ProgressLine(io, () => performance.now());
  const openFile = (): ReadableStream<Uint8Array> =>
    fileStream(file, (sent) => progress.update(() => `${shownBytes(sent)} of ${shownBytes(size)} sent`));
  const { mode, dryRun, revive, timeout: timeoutMs } = flags;
  const options = { mode, dryRun, revive, signal, timeoutMs };
  const report = await client.restore(openFile, options).finally(() => progress.end());
  if (print.json) return print.document(report);
  const done = report.dryRun ? "would be applied" : "applied";
  await print.line(
    `${quantity(report.records, "record")} in the snapshot: ${report.applied} ${done}, ${report.skippedHeld} left as they have a value here, ${report.skippedDeleted} left as they are deleted`,
  );
}

/** @param onSent gets how many bytes of the file have been taken so far */
function fileStream(file: string, onSent: (bytes: number) => void): ReadableStream<Uint8Array> {
  const source = createReadStream(file, { highWaterMark: 256 * 1024 });
  const parts: AsyncIterator<Buffer> = source.iterator();
  let sent = 0;
  const pull = async (controller: ReadableStreamDefaultController<Uint8Array>): Promise<void> => {
    const { done, value } = await parts.next();
    if (done === true) return controller.close();
    sent += value.length;
    onSent(sent);
    controller.enqueue(value);
  };
  return new ReadableStream({ pull, cancel: () => void source.destroy() }, { highWaterMark: 0 });
}

function addInspect(snapshot: Command, io: Io): void {
  snapshot
    .command("inspect")
    .summary("check a snapshot file and say what is in it")
    .argument("<file>")
    .addHelpText(
      "before",
      "Examples:\n  hearsay snapshot inspect backup.snapshot\n  hearsay snapshot inspect backup.snapshot --json\n",
    )
    .description(
      "Reads the whole file and checks it, without a node. Exits with 1 when it is damaged or cut short.",
    )
    .option("--json", "print data as JSON")
    .action(async (file: string, flags: { readonly json?: boolean }) => {
      const print = new Printer(io, { json: flags.json === true });
      const { size } = await stat(file);
      const { inspectFile } = await import("../snapshot-file.ts");
      const summary = await inspectFile(file);
      if (print.json) return print.document({ file, bytes: size, ...summary });
      await print.table(
        ["FACT", "VALUE"],
        [["bytes", String(size)], ...Object.entries(summary).map(([name, value]) => [name, String(value)])],
      );
    });
}
