/**
 * May this node stop without a write becoming unavailable, or lost with its disk?
 *
 * It may when another live member durably holds everything this node has acknowledged: that member has said so with its
 * completeness, or an exchange that this node began with it after its last write has come to its end.
 */
import { type HlcTime, type Member, nodeName } from "@hearsay/core";
import type { ClusterMember } from "./member.ts";
import { hasConfirmed } from "./status.ts";

export type StopObstacle =
  | { readonly code: "only_member" }
  | { readonly code: "only_live_member"; readonly down: readonly string[] }
  | { readonly code: "writes_unconfirmed"; readonly since: HlcTime }
  | { readonly code: "rumors_pending"; readonly hot: number }
  | { readonly code: "acks_pending"; readonly writers: number };

/** Empty when it is safe to stop. */
export function obstaclesToStopping(member: ClusterMember): StopObstacle[] {
  const obstacles: StopObstacle[] = [];
  const others = member.membership.members().filter(({ id }) => id !== member.id);
  const alive = others.filter(({ state }) => state === "alive");
  if (others.length === 0) obstacles.push({ code: "only_member" });
  else if (alive.length === 0) {
    obstacles.push({ code: "only_live_member", down: others.map(({ id }) => nodeName(id)) });
  } else if (!alive.some((other) => holdsAllOf(member, other))) {
    obstacles.push({ code: "writes_unconfirmed", since: member.lastWrite });
  }
  const { monger } = member.rumors;
  if (!monger.isQuiet) obstacles.push({ code: "rumors_pending", hot: monger.hotEntries });
  if (member.acksPending > 0) obstacles.push({ code: "acks_pending", writers: member.acksPending });
  return obstacles;
}

function holdsAllOf(member: ClusterMember, { id }: Member): boolean {
  const last = member.lastExchange(id);
  if (last?.staying === true && last.offered >= member.lastWrite) return true;
  return hasConfirmed(member, id, member.id, member.lastWrite);
}
