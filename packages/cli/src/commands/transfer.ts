import { createReadStream } from "node:fs";
import { stat } from "node:fs/promises";
import { performance } from "node:perf_hooks";
import { LIMITS } from "@hearsay/api";
import type { Command } from "commander";
import { importRecords } from "../import-stream.ts";
import type { Io } from "../io.ts";
import { count } from "../options.ts";
import { ProgressLine, shownBytes } from "../progress.ts";
import { quantity } from "../quantity.ts";
import { formatRecordLine } from "../record-line.ts";
import { SentAgain } from "../sent-again.ts";
import { type ClientFlags, inSession, PATIENT_ROUNDS, type Session, withClientFlags } from "../session.ts";
import { noteUnlessWhole } from "../whole.ts";

interface ImportFlags extends ClientFlags {
  readonly concurrency: number;
}

export function addTransferCommands(program: Command, io: Io): void {
  addExport(program, io);
  addImport(program, io);
}

/** Lines are written together up to this many characters. */
const EXPORT_CHUNK_LENGTH = 256 * 1024;

function addExport(program: Command, io: Io): void {
  const command = program
    .command("export")
    .summary("write keys and values as JSON lines")
    .argument("[prefix]", "only keys that start with this text", "")
    .addHelpText(
      "before",
      `Examples:
  hearsay export > all.ndjson
  hearsay export config/ | hearsay import --endpoint http://other:7171 -
`,
    )
    .description(
      "Writes one JSON object a line: key, text (or value, in base64), contentType, expiresAt, version. Values only: deletes and conflicts are in a snapshot.",
    );
  withClientFlags(command).action((prefix: string, flags: ClientFlags) =>
    inSession(io, flags, ({ ofOneNode }) => ofOneNode((session) => exportRecords(session, prefix, flags))),
  );
}

async function exportRecords(session: Session, prefix: string, flags: ClientFlags): Promise<void> {
  const { client, io, signal } = session;
  const progress = new ProgressLine(io, () => performance.now());
  const timeoutMs = flags.timeout;
  let records = 0;
  let chunk = "";
  try {
    for await (const item of client.list({ prefix, signal, timeoutMs })) {
      chunk += `${formatRecordLine(item)}\n`;
      records += 1;
      if (chunk.length < EXPORT_CHUNK_LENGTH) continue;
      await io.out.write(chunk);
      if (io.out.isGone === true) return;
      chunk = "";
      if (!io.out.isTerminal) progress.update(() => quantity(records, "record"));
    }
    if (chunk !== "") await io.out.write(chunk);
  } finally {
    progress.end();
  }
  await io.err.write(`${quantity(records, "record")} exported\n`);
  // Not by the listing: it leaves out a key whose winner is a deletion or has expired, whatever stands beside that.
  let conflicts = 0;
  for await (const { items } of client.conflicts({ prefix, pageSize: 1000, signal, timeoutMs })) {
    conflicts += items.length;
  }
  if (conflicts > 0) await io.err.write(`warning: ${conflictsLeft(conflicts)}\n`);
  await noteUnlessWhole(session);
}

function conflictsLeft(keys: number): string {
  return `${quantity(keys, "key")} ${keys === 1 ? "has" : "have"} concurrent values, of which only the winners are exported, and none where a deletion or one that has expired wins; hearsay snapshot save keeps them all`;
}

function addImport(program: Command, io: Io): void {
  const command = program
    .command("import")
    .summary("store what export wrote")
    .argument("<file>", "JSON lines, or - for standard input")
    .addHelpText(
      "before",
      `Examples:
  hearsay import all.ndjson
  echo '{"key":"greeting","text":"hello"}' | hearsay import -
`,
    )
    .description(
      "Stores every line's value, over what is there. A bad line stops the import and is named; lines whose time is over are counted and left out.",
    )
    .option("--concurrency <n>", "batches in flight", count, 4);
  withClientFlags(command).action((file: string, flags: ImportFlags) =>
    inSession(io, flags, (session) => importFile(session, file, flags), { rounds: PATIENT_ROUNDS }),
  );
}

async function importFile(session: Session, file: string, flags: ImportFlags): Promise<void> {
  const { client, io, print, signal, curl } = session;
  const size = file === "-" ? undefined : (await stat(file)).size;
  const input =
    file === "-" ? io.input : createReadStream(file, { highWaterMark: 256 * 1024, signal: io.stopped });
  const progress = new ProgressLine(io, () => performance.now());
  const again = new SentAgain();
  try {
    const done = await importRecords(input, {
      client,
      signal,
      concurrency: curl ? 1 : flags.concurrency,
      batchRecords: LIMITS.batchMaxOperations,
      nowMs: () => Date.now(),
      onProgress: ({ records, bytesRead }) =>
        progress.update(() => {
          const share = size === undefined ? "" : `${Math.floor((bytesRead / Math.max(size, 1)) * 100)}%, `;
          const rate = Math.round(records / Math.max(progress.seconds, 0.001));
          return `${share}${quantity(records, "record")}, ${rate} a second, ${shownBytes(bytesRead)} read`;
        }),
      onRepeat: (batch) => again.add(batch),
    });
    const seconds = Number(progress.seconds.toFixed(3));
    progress.end();
    const perSecond = Math.round(done.records / Math.max(seconds, 0.001));
    if (print.json) {
      const { records, expired, bytesRead: bytes } = done;
      return print.document({ records, expired, bytes, seconds, perSecond });
    }
    const expired = done.expired === 0 ? "" : `, ${done.expired} left out because their time is over`;
    await print.note(
      `${quantity(done.records, "record")} imported in ${seconds} s (${perSecond} a second)${expired}`,
    );
  } finally {
    progress.end();
    const { warning } = again;
    if (warning !== undefined) await io.err.write(`warning: ${warning}\n`);
  }
}
