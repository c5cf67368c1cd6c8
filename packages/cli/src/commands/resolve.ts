import { readFile } from "node:fs/promises";
import type { SiblingList } from "@hearsay/api";
import type { Ack, Resolution } from "@hearsay/client";
import type { Command } from "commander";
import { CliError, EXIT } from "../failure.ts";
import type { Io } from "../io.ts";
import { ack, duration } from "../options.ts";
import { shownKey } from "../printer.ts";
import { type ClientFlags, inSession, type Session, withClientFlags } from "../session.ts";

interface ResolveFlags extends ClientFlags {
  readonly take?: string;
  readonly value?: string;
  readonly file?: string;
  readonly contentType?: string;
  readonly delete?: boolean;
  readonly ack?: Ack;
  readonly ackTimeout?: number;
}

export function addResolve(program: Command, io: Io): void {
  const command = program
    .command("resolve")
    .summary("end a conflict")
    .argument("<key>")
    .addHelpText(
      "before",
      `Examples:
  hearsay resolve config/app                        keep the winner
  hearsay get config/app --siblings                 see what there is
  hearsay resolve config/app --take 0g5xw1m2k3a-n1~abcdefghij
  hearsay resolve config/app --file merged.yaml --content-type application/yaml
`,
    )
    .description(
      "Writes one value over all concurrent ones of a key: the winner, unless you choose. What is written meanwhile\nstays, as a conflict of its own.",
    )
    .option("--take <version>", "keep this one of them")
    .option("--value <text>", "store this text instead")
    .option("-f, --file <path>", "store the content of a file instead")
    .option("--content-type <type>", "of the text or the file")
    .option("--delete", "delete the key")
    .option("--ack <n|quorum|all>", "wait until so many replicas hold it", ack)
    .option("--ack-timeout <duration>", "how long the node may wait for that", duration);
  withClientFlags(command).action((key: string, flags: ResolveFlags) =>
    inSession(io, flags, (session) => resolve(session, key, flags)),
  );
}

async function resolve(session: Session, key: string, flags: ResolveFlags): Promise<void> {
  const { client, print, signal } = session;
  const choice = await chosen(flags);
  let count = 0;
  const options = { signal, ack: flags.ack, ackTimeoutMs: flags.ackTimeout };
  const written = await client.resolve(
    key,
    (list) => {
      count = list.siblings.length;
      return choice ?? winnerOf(list);
    },
    options,
  );
  if (print.json) return print.document({ ...written, siblings: count });
  await print.line(written.version);
  await print.note(`${shownKey(key)} had ${count} concurrent ${count === 1 ? "value" : "values"}`);
}

function winnerOf({ siblings }: SiblingList): Resolution {
  return { kind: "take", version: siblings[0]?.version ?? "" };
}

/** Undefined when nothing is chosen. */
async function chosen(flags: ResolveFlags): Promise<Resolution | undefined> {
  const { take, value, file, contentType } = flags;
  const choices: Resolution[] = [];
  if (take !== undefined) choices.push({ kind: "take", version: take });
  if (value !== undefined) choices.push({ kind: "put", value, contentType });
  if (file !== undefined) choices.push({ kind: "put", value: await readFile(file), contentType });
  if (flags.delete === true) choices.push({ kind: "delete" });
  if (choices.length > 1) {
    throw new CliError("more than one of --take, --value, --file and --delete is given", {
      code: "usage",
      exit: EXIT.usage,
    });
  }
  return choices[0];
}
