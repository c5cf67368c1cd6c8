/** `diff` and `repair`: one node and its peers. */
import type { DiffReport, RepairLine } from "@hearsay/api";
import type { Command } from "commander";
import { CliError, EXIT } from "../failure.ts";
import type { Io } from "../io.ts";
import { count } from "../options.ts";
import { shownKey } from "../printer.ts";
import { ProgressLine, shownBytes } from "../progress.ts";
import { quantity } from "../quantity.ts";
import { type ClientFlags, inSession, type Session, withClientFlags } from "../session.ts";

export function addRepairCommands(program: Command, io: Io): void {
  const diff = program
    .command("diff")
    .summary("the keys in which a node and a peer differ")
    .argument("<peer>", "its id, or its name if that is unique")
    .addHelpText("before", "Examples:\n  hearsay diff n2\n  hearsay diff n2 --limit 1000 --json\n")
    .description("Compares the asked node with a peer and lists which side is newer. Repairs nothing.")
    .option("--limit <n>", "keys that are named (default: 100)", count, 100);
  withClientFlags(diff).action((peer: string, flags: ClientFlags & { readonly limit: number }) =>
    inSession(io, flags, async ({ client, print, signal }) => {
      const report = await client.cluster.diff(peer, {
        signal,
        limit: flags.limit,
        timeoutMs: flags.timeout,
      });
      if (print.json) return print.document(report);
      await print.line(
        report.equal
          ? `${report.name} holds the same`
          : `${report.name} differs in ${quantity(report.keys, "key")}`,
      );
      if (report.items.length > 0) await print.table(DIFF_COLUMNS, diffRows(report));
    }),
  );
  const repair = program
    .command("repair")
    .summary("bring a node and its peers together now")
    .argument("[peer]", "its id, or its name if that is unique; all live members without")
    .addHelpText("before", "Examples:\n  hearsay repair\n  hearsay repair n2 --json\n")
    .description(
      "Makes the asked node exchange with a peer, or with one after the other, at once. It does so by itself all the time.",
    );
  withClientFlags(repair).action((peer: string | undefined, flags: ClientFlags) =>
    inSession(io, flags, (session) => runRepair(session, peer, flags.timeout)),
  );
}

const DIFF_COLUMNS = ["NEWER", "HERE", "THERE", "KEY"] as const;

function diffRows({ items }: DiffReport): string[][] {
  return items.map(({ newer, here, there, key }) => [newer, here ?? "-", there ?? "-", shownKey(key)]);
}

async function runRepair(
  { client, io, print, signal }: Session,
  peer: string | undefined,
  timeoutMs: number | undefined,
): Promise<void> {
  const progress = new ProgressLine(io, () => performance.now());
  let failures = 0;
  try {
    for await (const line of client.cluster.repair({ peer, signal, timeoutMs })) {
      if (line.event === "failed") failures += 1;
      if (print.json) await print.document(line);
      else if (line.event === "progress") progress.update(() => describe(line));
      else if (line.event !== "begin") {
        progress.end();
        await print.line(describe(line));
      }
    }
  } finally {
    progress.end();
  }
  if (failures === 0) return;
  const what = peer === undefined ? quantity(failures, "exchange") : `the exchange with ${peer}`;
  throw new CliError(`${what} failed`, {
    code: "repair_failed",
    exit: peer === undefined ? EXIT.error : EXIT.unreachable,
    next: "hearsay members tells who is down; what was not repaired now is repaired once they answer.",
  });
}

function describe(line: RepairLine): string {
  switch (line.event) {
    case "begin":
      return `${line.name}: comparing`;
    case "progress":
      return `${line.name}: ${moved(line)}, ${quantity(line.keysLeft, "key")} left`;
    case "done":
      return `${line.name}: ${line.equal ? "held the same" : moved(line)}`;
    case "failed":
      return `${line.name}: failed: ${line.code}`;
    case "end":
      return `${quantity(line.members, "member")}, ${line.failed} failed: ${moved(line)}`;
  }
}

interface Moved {
  readonly keysSent: number;
  readonly keysReceived: number;
  readonly bytesSent: number;
  readonly bytesReceived: number;
}

function moved({ keysSent, keysReceived, bytesSent, bytesReceived }: Moved): string {
  return `${quantity(keysSent, "key")} (${shownBytes(bytesSent)}) sent, ${quantity(keysReceived, "key")} (${shownBytes(bytesReceived)}) received`;
}
