import { readFile } from "node:fs/promises";
import type { Ack, StoredValue } from "@hearsay/client";
import type { Command } from "commander";
import { confirm } from "../confirm.ts";
import { CliError, EXIT } from "../failure.ts";
import { type Io, readAll } from "../io.ts";
import { ack, count, duration, lifetime } from "../options.ts";
import { jsonValue, shownKey } from "../printer.ts";
import { quantity } from "../quantity.ts";
import { type ClientFlags, inSession, type Session, withClientFlags } from "../session.ts";

interface AckFlags extends ClientFlags {
  readonly ack?: Ack;
  readonly ackTimeout?: number;
}

interface GetFlags extends AckFlags {
  readonly after?: string;
  readonly siblings?: boolean;
}

interface DelFlags extends AckFlags {
  readonly context?: string;
  readonly ifMatch?: string;
  readonly prefix?: boolean;
  readonly yes?: boolean;
}

interface PutFlags extends DelFlags {
  readonly file?: string;
  readonly contentType?: string;
  readonly ttl?: number;
  readonly ifAbsent?: boolean;
}

interface LsFlags extends ClientFlags {
  readonly long?: boolean;
  readonly after?: string;
  readonly limit?: number;
}

export function addKeyCommands(program: Command, io: Io): void {
  addGet(program, io);
  addPut(program, io);
  addDel(program, io);
  addLs(program, io);
}

function withAckFlags(command: Command, what: string): Command {
  return command
    .option("--ack <n|quorum|all>", what, ack)
    .option("--ack-timeout <duration>", "how long the node may wait for that", duration);
}

function addGet(program: Command, io: Io): void {
  const command = program
    .command("get")
    .summary("print a key's value")
    .argument("<key>")
    .addHelpText(
      "before",
      `Examples:
  hearsay get greeting
  hearsay get config/app.json > app.json
  hearsay get greeting --json
  hearsay get greeting --after 0g5xw1m2k3a-n1~abcdefghij   wait for a write, on any node
`,
    )
    .description("Prints the value of a key, byte for byte. Exits with 3 when there is none.")
    .option("--after <version>", "answer only once the node holds this version")
    .option("--siblings", "print every concurrent version, the winner first");
  withClientFlags(withAckFlags(command, "read from so many replicas")).action(
    (key: string, flags: GetFlags) => inSession(io, flags, (session) => get(session, key, flags)),
  );
}

async function get(session: Session, key: string, flags: GetFlags): Promise<void> {
  const { client, io, print, signal } = session;
  const options = { signal, after: flags.after, ack: flags.ack, ackTimeoutMs: flags.ackTimeout };
  if (flags.siblings === true) {
    const found = await client.siblings(key, options);
    if (print.json) return print.document(found);
    return print.table(
      ["VERSION", "TIME", "NODE", "CONTENT"],
      found.siblings.map((sibling) => [
        sibling.version,
        sibling.time,
        sibling.node,
        sibling.deleted
          ? "deleted"
          : `${quantity(sibling.size ?? 0, "byte")} of ${sibling.contentType ?? ""}${sibling.expired === true ? " (expired)" : ""}`,
      ]),
    );
  }
  const found = await client.get(key, options);
  if (found.kind !== "value") {
    const deleted = found.kind === "missing" && found.deleted;
    const conflicts = found.kind === "missing" ? found.conflicts : 0;
    throw new CliError(`${shownKey(key)} ${deleted ? "was deleted or has expired" : "has no value"}`, {
      code: "not_found",
      exit: EXIT.notFound,
      next:
        conflicts > 0
          ? `${othersThan(conflicts)} beside that: hearsay get --siblings`
          : deleted
            ? "hearsay history KEY lists what this node still has of it."
            : "Nothing to do if that was expected; another node may know of a newer write.",
    });
  }
  if (print.json) return print.document(valueDocument(key, found));
  await io.out.write(found.bytes);
  if (io.out.isTerminal && found.bytes.at(-1) !== 0x0a) await io.out.write("\n");
  if (found.conflicts > 0) {
    await print.note(`${othersThan(found.conflicts)} beside this one: hearsay get --siblings`);
  }
}

function othersThan(conflicts: number): string {
  return conflicts === 1 ? "1 concurrent value stands" : `${conflicts} concurrent values stand`;
}

function valueDocument(key: string, found: StoredValue): unknown {
  const { version, context, contentType, bytes, conflicts, expiresAt, node, completeThrough } = found;
  return {
    key,
    version,
    context,
    contentType,
    size: bytes.length,
    ...jsonValue(bytes),
    conflicts,
    expiresAt,
    node,
    completeThrough,
  };
}

function addPut(program: Command, io: Io): void {
  const command = program
    .command("put")
    .summary("store a value")
    .argument("<key>")
    .argument("[value]", "text, or - for standard input, which is also the default")
    .addHelpText(
      "before",
      `Examples:
  hearsay put greeting 'hello, world'
  hearsay put config/app.json --file app.json --content-type application/json
  date | hearsay put last-seen -
  hearsay put session/42 on --ttl 30m --ack quorum
`,
    )
    .description("Stores a value and prints the version it got.")
    .option("-f, --file <path>", "take the value from a file")
    .option("-t, --content-type <type>", "stored with the value; default: text for an argument, else bytes")
    .option("--ttl <duration>", "how long the value lives", lifetime)
    .option("--context <context>", "supersede just what was read with it")
    .option("--if-match <version>", "only if the node's winner is this version")
    .option("--if-absent", "only if the node has no value for the key");
  withClientFlags(withAckFlags(command, "replicas that must hold the write")).action(
    (key: string, value: string | undefined, flags: PutFlags) =>
      inSession(io, flags, (session) => put(session, key, value, flags), {
        bodyFile: bodyFile(value, flags),
      }),
  );
}

/** Undefined when the value is an argument. */
function bodyFile(value: string | undefined, flags: PutFlags): string | undefined {
  return flags.file ?? (value === undefined || value === "-" ? "-" : undefined);
}

async function put(session: Session, key: string, value: string | undefined, flags: PutFlags): Promise<void> {
  const { client, io, print, signal, curl } = session;
  if (flags.file !== undefined && value !== undefined) {
    throw new CliError("a value and --file exclude each other", { code: "usage", exit: EXIT.usage });
  }
  if (flags.ifAbsent === true && flags.ifMatch !== undefined) {
    throw new CliError("--if-absent and --if-match exclude each other", { code: "usage", exit: EXIT.usage });
  }
  const file = bodyFile(value, flags);
  const body = file === undefined ? value : curl ? NOTHING : await readBody(io, file);
  const result = await client.put(key, body ?? NOTHING, {
    signal,
    contentType: flags.contentType,
    ttlMs: flags.ttl,
    context: flags.context,
    ifVersion: flags.ifMatch,
    ifAbsent: flags.ifAbsent,
    ack: flags.ack,
    ackTimeoutMs: flags.ackTimeout,
  });
  await (print.json ? print.document(result) : print.line(result.version));
}

const NOTHING = new Uint8Array(0);

function readBody(io: Io, file: string): Promise<Uint8Array> {
  return file === "-" ? readAll(io.input) : readFile(file);
}

function addDel(program: Command, io: Io): void {
  const command = program
    .command("del")
    .summary("delete a key, or with --prefix all below one")
    .argument("<key>")
    .addHelpText(
      "before",
      `Examples:
  hearsay del greeting
  hearsay del session/42 --if-match 0g5xw1m2k3a-n1~abcdefghij
  hearsay del session/ --prefix --yes
`,
    )
    .description(
      "Deletes a key and prints the version of the delete. A key that is absent is deleted as well.",
    )
    .option("--prefix", "delete every key that starts with the text")
    .option("--yes", "do not ask before deleting a prefix")
    .option("--context <context>", "supersede just what was read with it")
    .option("--if-match <version>", "only if the node's winner is this version");
  withClientFlags(withAckFlags(command, "replicas that must hold the delete")).action(
    (key: string, flags: DelFlags) =>
      inSession(io, flags, (session) =>
        flags.prefix === true ? deletePrefix(session, key, flags) : del(session, key, flags),
      ),
  );
}

async function del(session: Session, key: string, flags: DelFlags): Promise<void> {
  const { client, print, signal } = session;
  const result = await client.delete(key, {
    signal,
    context: flags.context,
    ifVersion: flags.ifMatch,
    ack: flags.ack,
    ackTimeoutMs: flags.ackTimeout,
  });
  await (print.json ? print.document(result) : print.line(result.version));
}

async function deletePrefix(session: Session, prefix: string, flags: DelFlags): Promise<void> {
  const { client, io, print, signal, curl } = session;
  if (flags.context !== undefined || flags.ifMatch !== undefined) {
    throw new CliError("--prefix takes neither --context nor --if-match", {
      code: "usage",
      exit: EXIT.usage,
    });
  }
  if (!curl) await confirm(io, `Delete every key that starts with ${JSON.stringify(prefix)}?`, flags);
  let deleted = 0;
  const deleteAll = async (pages: AsyncIterable<{ items: readonly { key: string }[] }>): Promise<void> => {
    for await (const { items } of pages) {
      if (items.length === 0) continue;
      const operations = items.map(({ key }) => ({ op: "delete", key }) as const);
      await client.batch(operations, { signal, ack: flags.ack, ackTimeoutMs: flags.ackTimeout });
      deleted += operations.length;
    }
  };
  const range = { prefix, pageSize: 1000, signal };
  await deleteAll(client.pages({ ...range, keysOnly: true }));
  // Values beside a winner that is a deletion or has expired: no listing shows them.
  await deleteAll(client.conflicts(range));
  await (print.json
    ? print.document({ prefix, deleted })
    : print.line(`${quantity(deleted, "key")} deleted`));
}

function addLs(program: Command, io: Io): void {
  const command = program
    .command("ls")
    .summary("list keys")
    .argument("[prefix]", "only keys that start with this text", "")
    .addHelpText(
      "before",
      `Examples:
  hearsay ls
  hearsay ls config/ --long
  hearsay ls config/ --json | jq -r .key
`,
    )
    .description("Lists keys in the order of their bytes, one a line. With --json: one JSON document a line.")
    .option("-l, --long", "with version, size and content type")
    .option("--after <key>", "only keys behind this one")
    .option("--limit <n>", "stop after so many", count);
  withClientFlags(command).action((prefix: string, flags: LsFlags) =>
    inSession(io, flags, (session) => ls(session, prefix, flags)),
  );
}

async function ls(session: Session, prefix: string, flags: LsFlags): Promise<void> {
  const { client, io, print, signal } = session;
  const limit = flags.limit ?? Number.POSITIVE_INFINITY;
  const pageSize = Math.min(limit, 1000);
  let shown = 0;
  for await (const page of client.pages({ prefix, after: flags.after, keysOnly: true, pageSize, signal })) {
    const items = page.items.slice(0, limit - shown);
    shown += items.length;
    const lines = items.map((item) => {
      if (print.json) return JSON.stringify(item);
      const key = shownKey(item.key);
      if (flags.long !== true) return key;
      return `${item.version}  ${String(item.size).padStart(9)}  ${item.contentType}  ${key}`;
    });
    if (lines.length > 0) await print.line(lines.join("\n"));
    if (shown >= limit || io.out.isGone === true) return;
  }
}
