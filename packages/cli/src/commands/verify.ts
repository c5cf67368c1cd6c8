import type { Command } from "commander";
import { CliError, EXIT } from "../failure.ts";
import type { Io } from "../io.ts";
import { type NodeFlags, withNodeFlags } from "../node-flags.ts";
import { duration } from "../options.ts";
import { Printer, shownKey } from "../printer.ts";
import { ProgressLine, shownBytes } from "../progress.ts";
import { quantity } from "../quantity.ts";
import { type ClientFlags, inSession, type Session, withClientFlags } from "../session.ts";
import { type ClusterComparison, type Comparison, compareAll } from "../verify-cluster.ts";

type VerifyFlags = NodeFlags & ClientFlags & { readonly deep?: boolean; readonly settle: number };

export function addVerify(program: Command, io: Io): void {
  const command = program
    .command("verify")
    .summary("look for damaged data and for members that differ")
    .addHelpText(
      "before",
      `Examples:
  hearsay verify
  hearsay verify --deep
  hearsay verify --data /var/lib/hearsay --deep   a stopped node's directory
`,
    )
    .description(
      `Asks a node what it knows of damaged records, and compares it with every other member: the roots of both, and where they
differ the keys. With --data, examines a stopped node's directory itself: whether index and fingerprints agree. --deep reads
every record and checks its checksum. Exits with 1 when data is damaged or the node is not well in another way, and with 6 when
members differ or cannot be asked.`,
    )
    .option("--deep", "read and check every record")
    .option(
      "--settle <duration>",
      "how long differences may be writes on their way (default: 2s)",
      duration,
      2_000,
    );
  withClientFlags(withNodeFlags(command)).action(async (flags: VerifyFlags) => {
    if (flags.data === undefined) {
      await inSession(io, flags, ({ ofOneNode }) => ofOneNode((session) => verifyNode(session, flags)));
      return;
    }
    const { verifyDirectory } = await import("../verify-directory.ts");
    const print = new Printer(io, { json: flags.json === true });
    await verifyDirectory(io, print, flags, { deep: flags.deep === true });
  });
}

/** Checks that fail where data is damaged or lost. */
const OF_DATA = new Set(["store", "records", "silent loss"]);
/** Checks that tell how far the node is with its cluster, or what it has refused: nothing is wrong with it. */
const OF_PROGRESS = new Set(["complete", "joining", "kept aside"]);

/** A node checks a record's checksum whenever it reads it, and counts those that fail. A snapshot reads them all. */
async function verifyNode(session: Session, flags: VerifyFlags): Promise<void> {
  const { client, print, signal } = session;
  const bytesRead = flags.deep === true ? await readEverything(session) : undefined;
  const compared = await compareAll(client, { signal, settleMs: flags.settle, limit: NAMED_KEYS });
  // After what only a node that is ready does: of several endpoints one that is not shall not be the one that is meant.
  const { ready, checks = [] } = await client.readiness({ signal });
  if (print.json) {
    await print.document({
      node: compared.self?.id,
      ready,
      deep: flags.deep === true,
      bytesRead,
      checks,
      members: compared.comparisons.map(asJson),
    });
  } else {
    const rows = checks.map(({ name, ok, detail }) => [ok ? "ok" : "bad", name, detail]);
    await print.table(["STATUS", "CHECK", "DETAIL"], [...rows, ...compared.comparisons.map(asRow)]);
    await printDifferences(print, compared);
  }
  const failed = checks.filter(({ name, ok }) => !ok && !OF_PROGRESS.has(name));
  if (failed.length > 0) {
    const isDamaged = failed.some(({ name }) => OF_DATA.has(name));
    throw new CliError(failed.map(({ name, detail }) => `${name}: ${detail}`).join("; "), {
      code: isDamaged ? "damaged" : "unhealthy",
      exit: EXIT.error,
      next: isDamaged
        ? "Stop the node and run: hearsay verify --deep --data DIR. It lists the keys."
        : "The node knows of no damaged data. Mend what is named, and verify again.",
    });
  }
  const others = compared.comparisons.filter(({ result }) => result.kind !== "equal");
  if (others.length === 0) return;
  throw new CliError(others.map(describe).join("; "), {
    code: "not_converged",
    exit: EXIT.timedOut,
    next: others.some(({ result }) => result.kind === "differs")
      ? "hearsay wait --converged waits until they agree; hearsay repair brings those that answer together now."
      : "Start again what is down, or give up what is gone for good: hearsay forget NODE.",
  });
}

/** Differing keys that are named, for each member. */
const NAMED_KEYS = 100;

function asJson({ member, result }: Comparison): object {
  const { id, name, state } = member;
  const facts =
    result.kind === "differs"
      ? { keys: result.diff.keys, items: result.diff.items }
      : result.kind === "unknown"
        ? { reason: result.reason }
        : {};
  return { id, name, state, result: result.kind, ...facts };
}

function asRow(comparison: Comparison): string[] {
  return [
    comparison.result.kind === "equal" ? "ok" : "bad",
    `against ${comparison.member.name}`,
    describe(comparison),
  ];
}

function describe({ member: { name }, result }: Comparison): string {
  switch (result.kind) {
    case "equal":
      return `${name} holds the same`;
    case "differs":
      return `${name} differs in ${quantity(result.diff.keys, "key")}`;
    case "unknown":
      return `${name} cannot be asked: ${result.reason}`;
  }
}

async function printDifferences(print: Printer, { comparisons }: ClusterComparison): Promise<void> {
  for (const { member, result } of comparisons) {
    if (result.kind !== "differs") continue;
    for (const { key, newer } of result.diff.items) {
      await print.line(`differs from ${member.name}, newer ${newer}: ${shownKey(key)}`);
    }
  }
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
