import type { Command } from "commander";
import { CliError, EXIT } from "../failure.ts";
import type { Io } from "../io.ts";
import { type NodeFlags, withNodeFlags } from "../node-flags.ts";
import { Printer } from "../printer.ts";
import { ProgressLine, shownBytes } from "../progress.ts";
import { type ClientFlags, inSession, type Session, withClientFlags } from "../session.ts";

type VerifyFlags = NodeFlags & ClientFlags & { readonly deep?: boolean };

export function addVerify(program: Command, io: Io): void {
  const command = program
    .command("verify")
    .summary("look for damaged data")
    .addHelpText(
      "before",
      `Examples:
  hearsay verify
  hearsay verify --deep
  hearsay verify --data /var/lib/hearsay --deep   a stopped node's directory
`,
    )
    .description(
      `Asks a node what it knows of damaged records. With --data, examines a stopped node's directory itself: whether
index and fingerprints agree. --deep reads every record and checks its checksum. Exits with 1 when something is wrong.`,
    )
    .option("--deep", "read and check every record");
  withClientFlags(withNodeFlags(command)).action(async (flags: VerifyFlags) => {
    if (flags.data === undefined) {
      await inSession(io, flags, (session) => verifyNode(session, flags));
      return;
    }
    const { verifyDirectory } = await import("../verify-directory.ts");
    const print = new Printer(io, { json: flags.json === true });
    await verifyDirectory(io, print, flags, { deep: flags.deep === true });
  });
}

/**
 * A node checks a record's checksum whenever it reads it, and counts those that fail. A snapshot reads them all.
 */
async function verifyNode(session: Session, flags: VerifyFlags): Promise<void> {
  const { client, print, signal } = session;
  const bytesRead = flags.deep === true ? await readEverything(session) : undefined;
  const { ready, checks = [] } = await client.readiness({ signal });
  const failed = checks.filter(({ ok }) => !ok);
  if (print.json) await print.document({ ready, deep: flags.deep === true, bytesRead, checks });
  else {
    const rows = checks.map(({ name, ok, detail }) => [ok ? "ok" : "bad", name, detail]);
    await print.table(["STATUS", "CHECK", "DETAIL"], rows);
  }
  if (failed.length === 0) return;
  throw new CliError(failed.map(({ name, detail }) => `${name}: ${detail}`).join("; "), {
    code: "unhealthy",
    exit: EXIT.error,
    next: "Stop the node and run: hearsay verify --deep --data DIR. It lists the keys.",
  });
}

async function readEverything({ client, io, signal }: Session): Promise<number> {
  const progress = new ProgressLine(io, () => performance.now());
  let bytes = 0;
  try {
    for await (const part of client.snapshot({ signal })) {
      bytes += part.length;
      progress.update(() => `${shownBytes(bytes)} checked`);
    }
  } finally {
    progress.end();
  }
  return bytes;
}
