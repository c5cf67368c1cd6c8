import type { SiblingItem } from "@hearsay/api";
import type { Command } from "commander";
import { CliError, EXIT } from "../failure.ts";
import type { Io } from "../io.ts";
import { shownKey } from "../printer.ts";
import { type ClientFlags, inSession, withClientFlags } from "../session.ts";

export function addVersionCommands(program: Command, io: Io): void {
  addHistory(program, io);
  addConflicts(program, io);
}

function addHistory(program: Command, io: Io): void {
  const command = program
    .command("history")
    .summary("the last versions of a key")
    .argument("<key>")
    .addHelpText("before", "Examples:\n  hearsay history greeting\n  hearsay history greeting --json\n")
    .description("Lists the versions the node still has of a key, newest first: when, by which node, what.");
  withClientFlags(command).action((key: string, flags: ClientFlags) =>
    inSession(io, flags, async ({ client, print, signal }) => {
      const found = await client.history(key, { signal });
      if (found.versions.length === 0) {
        throw new CliError(`nothing is known of ${shownKey(key)}`, {
          code: "not_found",
          exit: EXIT.notFound,
        });
      }
      if (print.json) return print.document(found);
      await print.table(["TIME", "VERSION", "NODE", "SIZE", "TYPE"], found.versions.map(historyRow));
    }),
  );
}

function historyRow(item: SiblingItem): string[] {
  const content = item.deleted ? "deleted" : (item.contentType ?? "");
  const expired = item.expired === true ? " (expired)" : "";
  return [item.time, item.version, item.node, item.deleted ? "-" : String(item.size ?? 0), content + expired];
}

function addConflicts(program: Command, io: Io): void {
  const command = program
    .command("conflicts")
    .summary("keys with concurrent values")
    .argument("[prefix]", "only keys that start with this text", "")
    .addHelpText("before", "Examples:\n  hearsay conflicts\n  hearsay conflicts config/ --json\n")
    .description("Lists keys that hold more than one value, with the versions, winner first.");
  withClientFlags(command).action((prefix: string, flags: ClientFlags) =>
    inSession(io, flags, async ({ client, io: { out }, print, signal }) => {
      let total = 0;
      for await (const page of client.conflicts({ prefix, pageSize: 1000, signal })) {
        for (const item of page.items) {
          total += 1;
          if (print.json) await print.document(item);
          else await print.line(`${shownKey(item.key)}  ${item.versions.join("  ")}`);
        }
        if (out.isGone === true) return;
      }
      if (!print.json && total === 0) await print.note("no conflicts");
    }),
  );
}
