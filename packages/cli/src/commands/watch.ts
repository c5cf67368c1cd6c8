import type { WatchEvent } from "@hearsay/client";
import type { Command } from "commander";
import type { Io } from "../io.ts";
import { jsonValue, shownKey } from "../printer.ts";
import { quantity } from "../quantity.ts";
import { type ClientFlags, inSession, type Session, withClientFlags } from "../session.ts";

interface WatchFlags extends ClientFlags {
  readonly since?: string;
  readonly untilSynced?: boolean;
  readonly keys?: boolean;
}

export function addWatch(program: Command, io: Io): void {
  const command = program
    .command("watch")
    .summary("what happens under a prefix, as it happens")
    .argument("[prefix]", "only keys that start with this text", "")
    .addHelpText(
      "before",
      `Examples:
  hearsay watch config/
  hearsay watch config/ --since now --json
  hearsay watch config/ --since CURSOR --until-synced --json   what has happened meanwhile
`,
    )
    .description(
      "Prints what is there, then every change, deletions and expiries included, and goes on over other endpoints when\na node is gone. With --json each event has a cursor, which --since takes, on any node.",
    )
    .option("--since <cursor>", "only what has happened since; now: nothing of what is there")
    .option("--until-synced", "end once everything that has happened so far is printed")
    .option("--keys", "leave the values out");
  withClientFlags(command).action((prefix: string, flags: WatchFlags) =>
    inSession(io, flags, (session) => watch(session, prefix, flags)),
  );
}

async function watch(
  { client, io, print, signal }: Session,
  prefix: string,
  flags: WatchFlags,
): Promise<void> {
  const { since, keys: keysOnly } = flags;
  const events = client.watch({
    prefix,
    since,
    keysOnly,
    signal,
    onConnection: (connection) => {
      if (connection.state === "lost") void print.note("connection lost; trying again");
    },
  });
  for await (const event of events) {
    if (print.json) await print.document(eventDocument(event));
    else if (event.kind === "reset") await print.note("reset: what came before is void; everything follows");
    else if (event.kind === "synced") await print.note("synced");
    else await print.line(eventLine(event, keysOnly === true));
    if (io.out.isGone === true || (event.kind === "synced" && flags.untilSynced === true)) return;
  }
}

function eventDocument(event: WatchEvent): unknown {
  if (event.kind !== "put") {
    const { kind, ...facts } = event;
    return { event: kind, ...facts };
  }
  const { kind, value, ...facts } = event;
  return { event: kind, ...facts, ...jsonValue(value) };
}

/** Longer texts are told by their size. */
const SHOWN_MAX_LENGTH = 200;

function eventLine(event: Extract<WatchEvent, { kind: "put" | "delete" }>, keysOnly: boolean): string {
  const key = shownKey(event.key);
  if (event.kind === "delete") return `${event.expired ? "expire" : "delete"}  ${key}`;
  if (keysOnly) return `put     ${key}`;
  const shown = jsonValue(event.value);
  const isShort = "text" in shown && shown.text.length <= SHOWN_MAX_LENGTH;
  const text = isShort
    ? JSON.stringify(shown.text)
    : `${quantity(event.value.length, "byte")} of ${event.contentType}`;
  return `put     ${key}  ${text}`;
}
