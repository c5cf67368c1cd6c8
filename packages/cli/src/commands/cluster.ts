/** What a node says of its cluster: `members`, `status`, `wait`, `tombstones`. */
import type { ClusterStatus, ConvergenceReport, TombstoneReport } from "@hearsay/api";
import type { Command } from "commander";
import { lookAtCluster } from "../cluster-look.ts";
import {
  describeCatchingUp,
  describeConvergence,
  isCaughtUp,
  untilCaughtUp,
  untilConverged,
  untilEverywhere,
} from "../convergence.ts";
import { CliError, EXIT } from "../failure.ts";
import type { Io } from "../io.ts";
import { type KeyVersion, parseKeyVersion } from "../key-version.ts";
import { MEMBER_COLUMNS, memberRows, shownAge, shownDuration } from "../member-rows.ts";
import { count } from "../options.ts";
import { shownKey } from "../printer.ts";
import { ProgressLine, shownBytes } from "../progress.ts";
import { quantity } from "../quantity.ts";
import {
  type ClientFlags,
  inSession,
  PATIENT_ROUNDS,
  requireOneEndpoint,
  type Session,
  withClientFlags,
} from "../session.ts";

export function addClusterCommands(program: Command, io: Io): void {
  addMembers(program, io);
  addStatus(program, io);
  addWait(program, io);
  addTombstones(program, io);
}

function addMembers(program: Command, io: Io): void {
  const command = program
    .command("members")
    .summary("the members of the cluster")
    .addHelpText(
      "before",
      "Examples:\n  hearsay members\n  hearsay members --json | jq '.members[].address'\n",
    )
    .description(
      `Lists every member that counts, down or not, as the asked node knows it (marked *). BEHIND: every write older than
that is on the member.`,
    );
  withClientFlags(command).action((flags: ClientFlags) =>
    inSession(io, flags, async ({ client, print, signal }) => {
      const status = await client.cluster.status({ signal });
      if (print.json) await print.document(status);
      else await print.table(MEMBER_COLUMNS, memberRows(status, Date.now()));
    }),
  );
}

function addStatus(program: Command, io: Io): void {
  const command = program
    .command("status")
    .summary("how the cluster is")
    .addHelpText("before", "Examples:\n  hearsay status\n  hearsay status -e http://other:7171 --json\n")
    .description("Tells whether all members hold the same, who is away, and what keeps the watermark back.");
  withClientFlags(command).action((flags: ClientFlags) =>
    inSession(io, flags, async (session) => {
      const { print } = session;
      const { status, convergence } = await lookAtCluster(session);
      if (print.json) return print.document({ ...status, convergence });
      await print.table(["FACT", "VALUE"], statusRows(status, convergence));
    }),
  );
}

function statusRows(status: ClusterStatus, convergence: ConvergenceReport): string[][] {
  const { totals, watermark, watermarkAgeMs } = status;
  const age = watermarkAgeMs === null ? "" : `, ${shownDuration(watermarkAgeMs)} ago`;
  const rows = [
    ["cluster", status.cluster],
    ["asked node", status.node],
    ["takes writes", status.writable ? "yes" : `no: ${status.notWritable ?? "it has not said why"}`],
    ["members", `${totals.members}, ${totals.live} of them live`],
    ["keys", String(totals.keys)],
    ["bytes", `${shownBytes(totals.bytes)} on all together`],
    ["convergence", `${convergence.verdict}: ${describeConvergence(convergence)}`],
    ["watermark", watermark === null ? "none yet" : `${watermark}${age}`],
  ];
  for (const { name, state, reason, completeThrough } of convergence.heldBackBy) {
    const through = completeThrough === null ? "" : `, complete through ${completeThrough}`;
    rows.push(["held back by", `${name} (${state}): ${reason.replaceAll("_", " ")}${through}`]);
  }
  return rows;
}

interface WaitFlags extends ClientFlags {
  readonly converged?: boolean;
  readonly complete?: boolean;
}

const WAIT_MS = 60_000;

function addWait(program: Command, io: Io): void {
  const command = program
    .command("wait")
    .summary("wait until all members hold the same, or one write, or until a node has caught up")
    .argument("[key@version]", "a write that every member shall hold")
    .addHelpText(
      "before",
      `Examples:
  hearsay wait --converged --timeout 5m
  hearsay wait --complete -e http://10.0.0.2:7171
  hearsay wait greeting@0g5xw1m2k3a-n1~abcdefghij
  hearsay wait "greeting@$(hearsay put greeting hello)"
`,
    )
    .description(
      `Ends when all members hold the same, or with KEY@VERSION when each holds that write, or with --complete when the node
at the endpoint is a member and holds what the others had before it. Exits with 6 when --timeout (default 60s) is over.`,
    )
    .option("--converged", "wait until all members hold the same; the default")
    .option("--complete", "wait until the node has caught up: before the next one is replaced");
  withClientFlags(command).action((write: string | undefined, flags: WaitFlags) => {
    const run = async (session: Session): Promise<void> => {
      const timeoutMs = flags.timeout ?? WAIT_MS;
      if ([write, flags.converged, flags.complete].filter((given) => given !== undefined).length > 1)
        throw usage("give one of --converged, --complete and KEY@VERSION");
      if (flags.complete === true) {
        requireOneEndpoint(io, flags);
        return waitCaughtUp(session, timeoutMs);
      }
      if (write === undefined) return waitConverged(session, timeoutMs);
      await waitHeld(session, parseKeyVersion(write, "wait"), timeoutMs);
    };
    // A node that has just been started does not listen yet.
    return inSession(io, flags, run, flags.complete === true ? { rounds: PATIENT_ROUNDS } : {});
  });
}

function usage(message: string): CliError {
  return new CliError(message, {
    code: "usage",
    exit: EXIT.usage,
    next: "hearsay wait --help has examples.",
  });
}

async function waitConverged({ client, io, print, signal }: Session, timeoutMs: number): Promise<void> {
  const progress = new ProgressLine(io, () => performance.now());
  const onReport = (report: ConvergenceReport): void => progress.update(() => describeConvergence(report));
  const report = await untilConverged(client, { signal, timeoutMs, onReport }).finally(() => progress.end());
  if (report === undefined)
    throw notInTime("the node has not said whether the members hold the same", timeoutMs);
  if (print.json) await print.document(report);
  else await print.line(`${report.verdict}: ${describeConvergence(report)}`);
  if (report.verdict !== "converged") throw notInTime("the members do not hold the same yet", timeoutMs);
}

async function waitCaughtUp({ client, print, signal }: Session, timeoutMs: number): Promise<void> {
  const readiness = await untilCaughtUp(client, { signal, timeoutMs });
  if (readiness === undefined)
    throw notInTime("the node has not said whether it has caught up with its cluster", timeoutMs);
  if (print.json) await print.document(readiness);
  if (!isCaughtUp(readiness))
    throw notInTime(`the node has not caught up (${describeCatchingUp(readiness)})`, timeoutMs);
  if (!print.json) await print.line("complete: the node has caught up with its cluster");
}

async function waitHeld(
  { client, print, signal }: Session,
  write: KeyVersion,
  timeoutMs: number,
): Promise<void> {
  const shown = `${shownKey(write.key)}@${write.version}`;
  const receipt = await untilEverywhere(client, write, { signal, timeoutMs });
  if (receipt === undefined) throw notInTime(`the node has not said which members hold ${shown}`, timeoutMs);
  if (print.json) await print.document(receipt);
  else {
    const rows = [
      ...receipt.holders.map(({ name, state }) => [name, state, "holds it"]),
      ...receipt.lacking.map(({ name, state }) => [name, state, "lacks it"]),
      ...receipt.unknown.map(({ name, state }) => [name, state, "could not be asked"]),
    ];
    await print.table(["NAME", "STATE", "WRITE"], rows);
  }
  if (!receipt.everywhere) throw notInTime(`not every member holds ${shown}`, timeoutMs);
}

function notInTime(message: string, timeoutMs: number): CliError {
  return new CliError(`${message} after ${shownDuration(timeoutMs)}`, {
    code: "not_converged",
    exit: EXIT.timedOut,
    next: "hearsay status tells who is away or behind.",
  });
}

function addTombstones(program: Command, io: Io): void {
  const command = program
    .command("tombstones")
    .summary("deletions that are still kept, and who keeps them")
    .addHelpText("before", "Examples:\n  hearsay tombstones\n  hearsay tombstones --limit 1000 --json\n")
    .description(
      `Counts the deletions the node still keeps, names the oldest, and names the members that have not confirmed them: they go
once every member has, and the retention is over.`,
    )
    .option("--limit <n>", "keys that are named (default: 10)", count, 10);
  withClientFlags(command).action((flags: ClientFlags & { readonly limit: number }) =>
    inSession(io, flags, async ({ client, print, signal }) => {
      const report = await client.cluster.tombstones({ signal, limit: flags.limit });
      if (print.json) return print.document(report);
      for (const line of tombstoneLines(report)) await print.line(line);
      if (report.items.length === 0) return;
      await print.table(
        ["DELETED", "GOES ONCE THE WATERMARK IS AT", "KEY"],
        report.items.map(({ time, removableFrom, key }) => [time, removableFrom, shownKey(key)]),
      );
    }),
  );
}

function tombstoneLines({ count: kept, oldest, watermark, blockedBy }: TombstoneReport): string[] {
  const nowMs = Date.now();
  if (kept === 0) return ["no deletions kept"];
  const age = oldest === null ? "" : `, the oldest since ${shownAge(oldest, nowMs)}`;
  const at = watermark === null ? "there is no watermark yet" : `the watermark is at ${watermark}`;
  return [
    `${quantity(kept, "deletion")} kept${age}; ${at}`,
    ...blockedBy.map(({ name, state, id, completeThrough }) => {
      const through = completeThrough === null ? "nothing" : `everything through ${completeThrough}`;
      const way = state === "alive" ? "" : ` Bring it back, or: hearsay forget ${id}`;
      return `${name} (${state}) holds the removal back: it has confirmed ${through}.${way}`;
    }),
  ];
}
