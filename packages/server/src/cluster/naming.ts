/** Members and moments as answers show them, and members as callers name them. */
import { type MemberRef, PROBLEMS } from "@hearsay/api";
import { type HlcTime, hlcToMs, isNodeId, type Member, nodeName } from "@hearsay/core";
import { type ClusterMember, PeerFault } from "@hearsay/node";
import { ApiProblem } from "../http/problem.ts";
import { isoTime } from "../http/render.ts";

const STEPS: ReadonlyMap<string, string> = new Map(
  Object.entries(PROBLEMS).map(([code, { next }]) => [code, next]),
);

export function memberRef({ id, state }: Pick<Member, "id" | "state">): MemberRef {
  return { id, name: nodeName(id), state };
}

/** Whole milliseconds through which a claim up to a time of the clock holds; null where nothing is claimed. */
function throughMs(time: HlcTime | undefined): number | null {
  return time === undefined || time === 0 ? null : Math.max(0, hlcToMs(time) - 1);
}

export function throughIso(time: HlcTime | undefined): string | null {
  const ms = throughMs(time);
  return ms === null ? null : isoTime(ms);
}

/** How long ago that was; a watermark that other clocks have moved past the own one has no age. */
export function ageMs(time: HlcTime, nowMs: number): number | null {
  const ms = throughMs(time);
  return ms === null ? null : Math.max(0, nowMs - ms);
}

/**
 * The counted member an id or a name stands for.
 * @throws ApiProblem `member_not_found`
 */
export function memberNamed(member: ClusterMember, text: string): Member {
  const members = member.membership.members();
  const found = members.filter(({ id }) => (isNodeId(text) ? id === text : nodeName(id) === text));
  const [only] = found;
  if (only !== undefined && found.length === 1) return only;
  throw new ApiProblem("member_not_found", {
    detail:
      found.length === 0
        ? `No member is called ${text}.`
        : `${found.length} members are called ${text}: ${found.map(({ id }) => id).join(", ")}.`,
  });
}

/** As {@link memberNamed}, of a member other than this node that is believed to answer. */
export function livePeerNamed(member: ClusterMember, text: string): Member {
  const found = memberNamed(member, text);
  if (found.id === member.id) {
    throw new ApiProblem("member_not_found", { detail: `${text} is the node that you ask.` });
  }
  if (found.state === "alive" || found.state === "suspect") return found;
  throw new ApiProblem("peer_unreachable", { detail: `${text} is ${found.state}.` });
}

/** What a caller is told when a peer did not do its part. */
export function peerProblem(error: unknown, { id, address }: Pick<Member, "id" | "address">): unknown {
  if (!(error instanceof PeerFault)) return error;
  const { reason } = error;
  const code = reason.code === "refused" ? reason.reason : reason.code;
  if (code === "peer_address_refused") return new ApiProblem(code, { detail: `The address is ${address}.` });
  const who = id === "" ? address : `${nodeName(id)} at ${address}`;
  const what = reason.code === "bad_message" ? `, ${reason.what}` : "";
  const detail = `${who}: ${code}${what}.`;
  // What it refuses with is mostly a mistake in the settings, and does not go away by itself.
  const next = STEPS.get(code);
  const facts = { detail, members: { reason: code } };
  return new ApiProblem("peer_unreachable", next === undefined ? facts : { ...facts, next });
}
