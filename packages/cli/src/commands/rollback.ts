import type { SiblingItem } from "@hearsay/api";
import { fromBase64, type ReadResult } from "@hearsay/client";
import type { Command } from "commander";
import { CliError, EXIT } from "../failure.ts";
import type { Io } from "../io.ts";
import { type KeyVersion, parseKeyVersion } from "../key-version.ts";
import { shownKey } from "../printer.ts";
import { type ClientFlags, inSession, type Session, withClientFlags } from "../session.ts";

interface RollbackFlags extends ClientFlags {
  readonly dryRun?: boolean;
}

export function addRollback(program: Command, io: Io): void {
  const command = program
    .command("rollback")
    .summary("write a key's earlier version anew")
    .argument("<key@version>", "as hearsay history lists them")
    .addHelpText(
      "before",
      `Examples:
  hearsay history app/limits.json
  hearsay rollback app/limits.json@0g5xw1m2k3a-n1~abcdefghij --dry-run
  hearsay rollback app/limits.json@0g5xw1m2k3a-n1~abcdefghij
`,
    )
    .description(
      `Writes what the version held over what the node holds now, and prints the version of that write. What is replaced
stays in the history. A version that is a delete deletes.`,
    )
    .option("--dry-run", "only say what would be written");
  withClientFlags(command).action((write: string, flags: RollbackFlags) =>
    inSession(io, flags, (session) => rollback(session, parseKeyVersion(write, "rollback"), flags)),
  );
}

async function rollback(session: Session, { key, version }: KeyVersion, flags: RollbackFlags): Promise<void> {
  const { client, print, signal } = session;
  const { versions } = await client.history(key, { signal });
  const wanted = versions.find((item) => item.version === version);
  if (wanted === undefined) {
    throw new CliError(`the node does not have ${shownKey(key)}@${version} any more`, {
      code: "not_found",
      exit: EXIT.notFound,
      next: "hearsay history lists the versions it has; each node keeps its own.",
    });
  }
  const current = await client.get(key, { signal });
  if (isCurrent(current, version)) {
    if (print.json) return await print.document({ key, version, changed: false });
    return await print.note(`${shownKey(key)} is at that version`);
  }
  if (flags.dryRun === true) return await showRollback(session, key, wanted);
  const context = current.kind === "unchanged" ? undefined : current.context;
  const written = wanted.deleted
    ? await client.delete(key, { signal, context })
    : await client.put(key, fromBase64(wanted.value ?? ""), {
        signal,
        context,
        contentType: wanted.contentType,
        ttlMs: remainingMs(key, wanted),
      });
  if (print.json) return await print.document({ ...written, changed: true, from: version });
  await print.line(written.version);
}

function isCurrent(current: ReadResult, version: string): boolean {
  return current.kind !== "unchanged" && current.version === version;
}

async function showRollback({ print }: Session, key: string, item: SiblingItem): Promise<void> {
  const { version, time, node, deleted, size = 0 } = item;
  if (print.json) return await print.document({ key, version, time, node, deleted, size, dryRun: true });
  const what = deleted ? "delete it" : `write ${size} bytes`;
  await print.line(`would ${what}, as ${shownKey(key)} was at ${time} by ${node}`);
}

function remainingMs(key: string, { expiresAt }: SiblingItem): number | undefined {
  if (expiresAt === undefined) return undefined;
  const ms = Date.parse(expiresAt) - Date.now();
  if (ms > 0) return ms;
  throw new CliError(`that version of ${shownKey(key)} expired at ${expiresAt}`, {
    code: "expired",
    exit: EXIT.preconditionFailed,
    next: "hearsay put stores a value without a time, or with another.",
  });
}
