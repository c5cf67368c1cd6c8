/** What this node may say to a watcher about what it holds. */
import {
  boundClaims,
  type Claims,
  type HlcTime,
  holdsOfRetired,
  NO_CLAIMS,
  type NodeId,
} from "@hearsay/core";
import type { ClusterMember } from "@hearsay/node";

export interface Standing {
  /** The node has caught up with its cluster, so that what it lacks does not exist. */
  readonly isCaughtUp: boolean;
  readonly claims: Claims;
  /** Hash of the member table; empty while the node is none. */
  readonly table: string;
  /** What was deleted at or before this time may be purged. */
  readonly floor: HlcTime;
}

/** What is asked of a member for it. */
type Holder = Pick<ClusterMember, "joiningState" | "confirmedThrough"> & {
  readonly keeper: Pick<ClusterMember["keeper"], "completeness" | "members">;
};

const NOBODY: Standing = { isCaughtUp: false, claims: NO_CLAIMS, table: "", floor: 0 };

/**
 * @param ownThrough every own write up to then is committed, and no later one gets such a time
 */
export function standingOf(member: Holder | undefined, self: NodeId, ownThrough: HlcTime): Standing {
  if (member === undefined) return NOBODY;
  const { completeness, members } = member.keeper;
  const { floor } = completeness;
  const isCaughtUp =
    completeness.complete && member.joiningState.kind === "member" && member.confirmedThrough > 0;
  const table = members.tableHash;
  if (!isCaughtUp) return { isCaughtUp, claims: NO_CLAIMS, table, floor };
  // It stands for all ids without an entry.
  const base = holdsOfRetired(completeness);
  const entries = new Map<NodeId, HlcTime>();
  for (const id of members.ids) {
    entries.set(id, id === self ? Math.max(base, ownThrough) : (completeness.vector.get(id) ?? 0));
  }
  return { isCaughtUp, claims: boundClaims({ table, base, entries }), table, floor };
}
