/** Saves a node's snapshot to a file that is there whole, checked and on the disk, or not at all. */
import { type FileHandle, open, realpath, rm, stat } from "node:fs/promises";
import { dirname } from "node:path";
import { performance } from "node:perf_hooks";
import { asideOf, removeLeftovers, renameSynced } from "@hearsay/agent";
import { passSnapshot } from "@hearsay/server";
import { CliError, EXIT } from "./failure.ts";
import { ProgressLine, shownBytes } from "./progress.ts";
import { quantity } from "./quantity.ts";
import type { Session } from "./session.ts";
import { inspectFile } from "./snapshot-file.ts";
import { noteUnlessWhole } from "./whole.ts";

/** @param file a path, or - for standard output */
export async function saveSnapshot(session: Session, file: string): Promise<void> {
  const { client, signal, curl } = session;
  const parts = client.snapshot({ signal });
  if (curl) await parts.next();
  else if (file === "-") await passOn(session, parts);
  else await saveTo(session, parts, await placeOf(file));
}

async function passOn(session: Session, parts: AsyncIterable<Uint8Array>): Promise<void> {
  const { io } = session;
  const damaged = await passSnapshot(parts, async (part) => {
    await io.out.write(part);
    if (io.out.isGone === true) throw notTaken();
  });
  await noteDamaged(session, damaged);
  await noteUnlessWhole(session);
}

function notTaken(): CliError {
  return new CliError("whoever read the snapshot went away before its end", {
    code: "not_taken",
    exit: EXIT.error,
    next: "What it has got is not whole: save it anew.",
  });
}

async function saveTo(session: Session, parts: AsyncIterable<Uint8Array>, file: string): Promise<void> {
  const { io, print } = session;
  const aside = asideOf(file);
  const handle = await open(aside, "wx");
  // Of saves that were killed. A directory that cannot be listed can be written to.
  await removeLeftovers(dirname(file)).catch(() => undefined);
  try {
    const bytes = await writeParts(handle, parts, new ProgressLine(io, () => performance.now()));
    await handle.sync();
    await handle.close();
    const summary = await inspectFile(aside);
    await renameSynced(aside, file);
    if (print.json) await print.document({ file, bytes, ...summary });
    else await print.note(`${file}: ${quantity(summary.records, "record")}, ${shownBytes(bytes)}`);
    await noteDamaged(session, summary.damaged);
    await noteUnlessWhole(session);
  } catch (error) {
    await handle.close().catch(() => undefined);
    await rm(aside, { force: true });
    throw error;
  }
}

/** Where the file really is. What is no file is left alone: a directory, or a device such as /dev/stdout. */
async function placeOf(file: string): Promise<string> {
  const found = await stat(file).catch(() => undefined);
  if (found === undefined) return file;
  if (found.isFile()) return await realpath(file);
  throw new CliError(`${file} is there, and is no file`, {
    code: "not_a_file",
    exit: EXIT.error,
    next: "Name a file, or - for standard output.",
  });
}

async function writeParts(
  handle: FileHandle,
  parts: AsyncIterable<Uint8Array>,
  progress: ProgressLine,
): Promise<number> {
  let bytes = 0;
  try {
    for await (const part of parts) {
      await handle.writeFile(part);
      bytes += part.length;
      progress.update(() => `${shownBytes(bytes)} saved`);
    }
  } finally {
    progress.end();
  }
  return bytes;
}

async function noteDamaged({ io }: Session, damaged: number): Promise<void> {
  if (damaged === 0) return;
  await io.err.write(
    `warning: ${damaged} records are damaged on the node, and are not in it; hearsay verify tells more, another member may have them\n`,
  );
}
