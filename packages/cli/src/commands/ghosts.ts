/** Versions that a node has kept aside: `ghosts`. */
import type { GhostReport } from "@hearsay/api";
import type { Command } from "commander";
import { confirm } from "../confirm.ts";
import { CliError, EXIT } from "../failure.ts";
import type { Io } from "../io.ts";
import { type KeyVersion, parseKeyVersion } from "../key-version.ts";
import { count } from "../options.ts";
import { shownKey } from "../printer.ts";
import { type ClientFlags, inSession, type Session, withClientFlags } from "../session.ts";

type GhostItem = GhostReport["items"][number];

interface GhostFlags extends ClientFlags {
  readonly limit: number;
  readonly discard?: boolean;
  readonly yes?: boolean;
}

export function addGhosts(program: Command, io: Io): void {
  const command = program
    .command("ghosts")
    .summary("deleted values that came back and were kept aside")
    .argument("[key@version...]", "one of them, to print its value; with --discard any number")
    .addHelpText(
      "before",
      `Examples:
  hearsay ghosts
  hearsay ghosts greeting@0g5xw1m2k3a-n1~abcdefghij
  hearsay ghosts greeting@0g5xw1m2k3a-n1~abcdefghij | hearsay put greeting -   bring it back, as a new write
  hearsay ghosts greeting@0g5xw1m2k3a-n1~abcdefghij --discard
`,
    )
    .description(
      `Lists what the asked node has kept aside: values that had been deleted or replaced, and that an old copy of a directory
or a message from long ago brought back. No reader sees them. WHY refused: a peer offered it. WHY dropped: the node
itself had it, and a peer that knows better refused it. Each node keeps its own; name it with --endpoint.`,
    )
    .option("--limit <n>", "how many are listed (default: 100)", count, 100)
    .option("--discard", "forget them for good, which makes room for others")
    .option("--yes", "do not ask");
  withClientFlags(command).action((named: readonly string[], flags: GhostFlags) =>
    inSession(io, flags, async (session) => {
      const ghosts = named.map((text) => parseKeyVersion(text, "ghosts"));
      const [first, second] = ghosts;
      if (flags.discard === true) return await discard(session, ghosts, flags);
      if (second !== undefined) throw usage("only one can be printed at a time");
      await (first === undefined ? list(session, flags.limit) : show(session, first));
    }),
  );
}

async function list({ client, print, signal }: Session, limit: number): Promise<void> {
  const report = await client.cluster.ghosts({ signal, limit });
  if (print.json) return print.document(report);
  const { count: kept, max, items, node } = report;
  if (kept === 0) return print.line(`nothing is kept aside on ${node}`);
  await print.line(`${kept} kept aside on ${node}, of ${max} at most`);
  await print.table(["KEPT", "WHY", "WRITTEN", "BYTES", "KEY@VERSION"], items.map(rowOf));
}

function rowOf({ keptAt, why, time, size, key, version }: GhostItem): string[] {
  return [keptAt ?? "?", why ?? "?", time, String(size), `${shownKey(key)}@${version}`];
}

async function show({ client, io, print, signal }: Session, ghost: KeyVersion): Promise<void> {
  const [item] = (await client.cluster.ghosts({ signal, ...ghost })).items;
  if (item === undefined) throw none(ghost);
  if (print.json) return print.document(item);
  await io.out.write(Buffer.from(item.value ?? "", "base64"));
  await print.note(
    `${item.size} bytes of ${item.contentType ?? "nothing, a deletion"}, written ${item.time} by ${item.node}`,
  );
}

async function discard(
  { client, io, print, signal }: Session,
  ghosts: readonly KeyVersion[],
  flags: GhostFlags,
): Promise<void> {
  if (ghosts.length === 0) throw usage("--discard needs KEY@VERSION");
  const what = ghosts.map(({ key, version }) => `${shownKey(key)}@${version}`).join(", ");
  await confirm(io, `Forget ${what} for good?`, flags);
  for (const { key, version } of ghosts) {
    const done = await client.cluster.discardGhost(key, version, { signal });
    if (print.json) await print.document(done);
    else await print.line(`${shownKey(key)}@${version} is forgotten, ${done.left} are left`);
  }
}

function none({ key, version }: KeyVersion): CliError {
  return new CliError(`${shownKey(key)}@${version} is not kept aside on the asked node`, {
    code: "ghost_not_found",
    exit: EXIT.notFound,
    next: "hearsay ghosts lists what is. Each node keeps its own: name another one with --endpoint.",
  });
}

function usage(message: string): CliError {
  return new CliError(message, {
    code: "usage",
    exit: EXIT.usage,
    next: "hearsay ghosts --help has examples.",
  });
}
