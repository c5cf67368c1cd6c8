/**
 * May this node stop for good, with its disk, without a write being lost?
 *
 * It may when some other member that is alive durably holds **everything this node holds**, whoever wrote it: others may have
 * acknowledged a write, given it to this node alone, and gone. So the node asks: only an exchange with a member that stays, begun
 * after the question, counts. Then
 *
 * 1. what was here when the exchange began is with that member, unless this node has written since;
 * 2. what came from others since is with those who sent it, and they were there to send it: all of them have to be alive still.
 *
 * So in a cluster that is never at rest the answer is yes as soon as the exchange is over. *Alive* is what the failure
 * detector says at the end; who dies without a word after that is not known to anybody yet.
 */
import { type NodeId, nodeName } from "@hearsay/core";
import type { ClusterMember } from "./member.ts";

export type StopObstacle =
  | { readonly code: "only_member" }
  | { readonly code: "only_live_member"; readonly down: readonly string[] }
  | { readonly code: "writes_unconfirmed" }
  | { readonly code: "rumors_pending"; readonly hot: number }
  | { readonly code: "acks_pending"; readonly writers: number };

/** Empty when it is safe to stop, as of now. */
export async function obstaclesToStopping(member: ClusterMember): Promise<StopObstacle[]> {
  const obstacles: StopObstacle[] = [];
  const others = member.membership.members().filter(({ id }) => id !== member.id);
  if (others.length === 0) obstacles.push({ code: "only_member" });
  else if (!others.some(({ state }) => state === "alive")) {
    obstacles.push({ code: "only_live_member", down: others.map(({ id }) => nodeName(id)) });
  } else if (!(await isHeldElsewhere(member))) obstacles.push({ code: "writes_unconfirmed" });
  const { monger } = member.rumors;
  // What others hold by now may be a rumor still. That it is heard of a moment later loses nothing.
  if (obstacles.length > 0 && !monger.isQuiet) {
    obstacles.push({ code: "rumors_pending", hot: monger.hotEntries });
  }
  if (member.acksPending > 0) obstacles.push({ code: "acks_pending", writers: member.acksPending });
  return obstacles;
}

async function isHeldElsewhere(member: ClusterMember): Promise<boolean> {
  const found = await member.standIn();
  if (found === undefined || member.lastWrite > found.through) return false;
  const isAlive = (id: NodeId): boolean => member.membership.stateOf(id) === "alive";
  return isAlive(found.to) && [...found.senders].every(isAlive);
}
