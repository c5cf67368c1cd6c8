import type { ClusterMemberItem } from "@hearsay/api";
import { HearsayError } from "@hearsay/client";
import { type ClusterLook, lookAtCluster } from "./cluster-look.ts";
import type { TopFlags } from "./commands/top.ts";
import { describeConvergence } from "./convergence.ts";
import { CliError } from "./failure.ts";
import { type Io, Stopped } from "./io.ts";
import { shownAge, shownCount, shownDuration } from "./member-rows.ts";
import { pause } from "./pause.ts";
import { Printer } from "./printer.ts";
import { shownBytes } from "./progress.ts";
import { quantity } from "./quantity.ts";
import type { Session } from "./session.ts";

const CLEAR = "\u001b[H\u001b[2J";

/** Draws until the user has seen enough: that is how it ends. */
export async function runTop(session: Session, flags: TopFlags): Promise<void> {
  const { io, print, signal } = session;
  if (flags.once === true || !io.out.isTerminal || print.json)
    return show(session, await lookAtCluster(session));
  try {
    for (;;) {
      const lines: string[] = [];
      const seen = await lookAtCluster(session).catch((error: unknown) => {
        if (!(error instanceof HearsayError || error instanceof CliError)) throw error;
        lines.push(error.message);
        return undefined;
      });
      if (seen !== undefined) await drawInto(session, seen, lines);
      await io.out.write(CLEAR + lines.join(""));
      await pause(flags.interval, signal);
    }
  } catch (error) {
    if (!(error instanceof Stopped)) throw error;
  }
}

/** A screen is written at once, so that it does not flicker. */
async function drawInto(session: Session, seen: ClusterLook, lines: string[]): Promise<void> {
  const io: Io = {
    ...session.io,
    out: {
      isTerminal: true,
      write: async (chunk) => {
        lines.push(String(chunk));
      },
    },
  };
  await show({ ...session, io, print: new Printer(io, { json: false }) }, seen);
}

async function show({ print }: Session, { status, convergence }: ClusterLook): Promise<void> {
  if (print.json) return print.document({ ...status, convergence });
  const { totals, watermarkAgeMs } = status;
  const nowMs = Date.now();
  const behind = watermarkAgeMs === null ? "none" : `${shownDuration(watermarkAgeMs)} behind`;
  await print.line(
    `${status.cluster}  ${totals.live}/${totals.members} live  ${quantity(totals.keys, "key")}  ${shownBytes(totals.bytes)}  watermark ${behind}`,
  );
  await print.line(`${convergence.verdict}: ${describeConvergence(convergence)}\n`);
  await print.table(
    COLUMNS,
    status.members.map((member) => row(member, nowMs)),
  );
}

const COLUMNS = [
  "NAME",
  "STATE",
  "WRITES",
  "KEYS",
  "BYTES",
  "BEHIND",
  "PHI",
  "CLOCK",
  "LAST EXCHANGE",
] as const;

function row(member: ClusterMemberItem, nowMs: number): string[] {
  const { clockOffsetMs, lastExchange } = member;
  return [
    member.self ? `${member.name} *` : member.name,
    member.state,
    member.notWritable ?? "yes",
    shownCount(member.keys),
    member.bytes === null ? "-" : shownBytes(member.bytes),
    shownAge(member.completeThrough, nowMs),
    member.phi === null ? "-" : member.phi.toFixed(1),
    clockOffsetMs === null ? "-" : `${clockOffsetMs > 0 ? "+" : ""}${Math.round(clockOffsetMs)} ms`,
    lastExchange === null
      ? "-"
      : `${shownAge(lastExchange.at, nowMs)} ago${lastExchange.equal ? ", equal" : `, ${quantity(lastExchange.keysSent + lastExchange.keysReceived, "key")}`}`,
  ];
}
