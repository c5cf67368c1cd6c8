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

/** What the headers of an answer say of the node that gives it. */
export interface Contact {
  readonly knowsAll: boolean;
  /** How far behind the answer may be, in milliseconds; 0 in the ordinary. */
  readonly lastMs: number;
}

export function contactOf(services: Services): Contact {
  const { clock, cluster } = services;
  return contact(knowsAll(services), clock.nowMs() - Math.max(0, cluster.completeThroughMs()));
}

/** Exchanges with all members take a node less than that, so that more says that one is away, or this node cut off. */
const ORDINARY_MS = 10_000;

/** @param behindMs since the moment up to which the node has what all wrote */
export function contact(knows: boolean, behindMs: number): Contact {
  return { knowsAll: knows, lastMs: knows && behindMs < ORDINARY_MS ? 0 : Math.max(1, behindMs) };
}
