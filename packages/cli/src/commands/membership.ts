/** Who belongs to the cluster, by an operator's word: `join`, `leave`, `forget`. */
import { HearsayError } from "@hearsay/client";
import type { Command } from "commander";
import { confirm } from "../confirm.ts";
import { CliError, EXIT } from "../failure.ts";
import type { Io } from "../io.ts";
import { quantity } from "../quantity.ts";
import {
  type ClientFlags,
  inSession,
  requireOneEndpoint,
  type Session,
  withClientFlags,
} from "../session.ts";

interface ConfirmedFlags extends ClientFlags {
  readonly yes?: boolean;
}

export function addMembershipCommands(program: Command, io: Io): void {
  addJoin(program, io);
  addLeave(program, io);
  addForget(program, io);
}

function addJoin(program: Command, io: Io): void {
  const command = program
    .command("join")
    .summary("make a node that is alone join a cluster")
    .argument("<host:port>", "any member of that cluster")
    .addHelpText("before", "Examples:\n  hearsay join 10.0.0.1:7171 -e http://10.0.0.2:7171\n")
    .description(
      "Makes the node at the endpoint, which must be alone, a member of the cluster. Its data comes along. serve --join does it at the start.",
    );
  withClientFlags(command).action((address: string, flags: ClientFlags) =>
    inSession(io, flags, async ({ client, print, signal }) => {
      requireOneEndpoint(io, flags);
      const report = await client.cluster.join(address, { signal, timeoutMs: flags.timeout });
      if (print.json) return print.document(report);
      await print.line(
        report.state === "member"
          ? `${report.node} is one of ${quantity(report.members, "member")}`
          : `${report.node} is joining; it goes on by itself, and hearsay status tells when it takes writes`,
      );
    }),
  );
}

function addLeave(program: Command, io: Io): void {
  const command = program
    .command("leave")
    .summary("make a node leave its cluster for good")
    .addHelpText(
      "before",
      "Examples:\n  hearsay leave -e http://10.0.0.3:7171\n  hearsay leave -e http://10.0.0.3:7171 --yes\n",
    )
    .description(
      `Makes the node at the endpoint hand over what only it holds, retire its id and end. To stop a node that comes back, end
its process instead. Its directory starts again only after hearsay reset.`,
    )
    .option("--yes", "do not ask");
  withClientFlags(command).action((flags: ConfirmedFlags) =>
    inSession(io, flags, async ({ client, print, signal, curl }) => {
      requireOneEndpoint(io, flags);
      if (!curl && flags.yes !== true) {
        const { node, cluster } = await client.cluster.status({ signal });
        await confirm(io, `Make ${node} leave the cluster ${cluster} for good?`, flags);
      }
      const report = await client.cluster.leave({ signal, timeoutMs: flags.timeout });
      await (print.json ? print.document(report) : print.line(`${report.node} has left, and ends`));
    }),
  );
}

function addForget(program: Command, io: Io): void {
  const command = program
    .command("forget")
    .summary("give up a member that is down for good")
    .argument("<node>", "its id, or its name if that is unique")
    .addHelpText("before", "Examples:\n  hearsay forget n3\n  hearsay forget n3~0123456789 --yes\n")
    .description(
      `Retires the id of a member that is down, so that nothing waits for it any more. Says what may be lost with it, and
asks. Its directory starts again only after hearsay reset.`,
    )
    .option("--yes", "do not ask");
  withClientFlags(command).action((node: string, flags: ConfirmedFlags) =>
    inSession(io, flags, async (session) => {
      requireOneEndpoint(io, flags);
      const { client, print, signal } = session;
      if (flags.yes !== true) await confirm(io, `${await whatMayBeLost(session, node)} Forget it?`, flags);
      const report = await client.cluster.forget(node, { signal, confirm: true, timeoutMs: flags.timeout });
      if (print.json) return print.document(report);
      const through =
        report.heldThrough === null ? "" : `; what it held up to ${report.heldThrough} is held here`;
      await print.line(`${report.node} is forgotten${through}`);
    }),
  );
}

/** What the node answers to a request that is not confirmed: the one that --curl prints. */
async function whatMayBeLost({ client, signal }: Session, node: string): Promise<string> {
  try {
    await client.cluster.forget(node, { signal });
  } catch (error) {
    if (error instanceof HearsayError && error.code === "confirmation_needed") return error.message;
    throw error;
  }
  throw new CliError(`the node has forgotten ${node} without being asked to confirm`, {
    code: "bad_answer",
    exit: EXIT.error,
  });
}
