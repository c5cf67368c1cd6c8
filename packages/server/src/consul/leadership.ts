/**
 * Consul's programs take what a cluster with a leader answers for all there is. A node that is new, or came back without
 * its data, does not know what there is until it has caught up; until then it answers as a server of Consul does that has
 * no leader, and what reads from it keeps what it has.
 */
import type { Services } from "../services.ts";
import { ConsulRefusal } from "./answers.ts";

/** Whether what this node lacks was not there when it last heard of the others. */
export function knowsAll({ cluster }: Services): boolean {
  const member = cluster.attached;
  return member?.keeper.completeness.complete === true && member.joiningState.kind === "member";
}

/** @throws ConsulRefusal 500 */
export function demandLeader(services: Services): void {
  if (knowsAll(services)) return;
  const why = "this node has not caught up with its cluster yet; with ?stale it answers from what it has";
  throw new ConsulRefusal(500, `No cluster leader: ${why}`);
}

/** How far behind an answer may be, in milliseconds; 0 from a node that has caught up. */
export function lastContactMs(services: Services): number {
  const { clock, cluster } = services;
  return knowsAll(services) ? 0 : Math.max(1, clock.nowMs() - Math.max(0, cluster.completeThroughMs()));
}
