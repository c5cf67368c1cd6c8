/**
 * Whether the cluster has converged, as far as this node can know.
 *
 * `converged` is said only by a member, when every counted one is live, has been heard of lately, and published this node's own
 * present root. A node that is cut off does not hear of the others any more, so it stops saying so: as soon as it
 * suspects them, and at the latest when their news are older than {@link newsExpireMs}.
 */
import { CALM_FACTOR, type HeldBack, type HlcTime, hlcToMs } from "@hearsay/core";
import type { ClusterMember } from "./member.ts";
import { type MemberStatus, memberStatuses } from "./status.ts";

/** A member whose root is not this node's. */
export interface Differing {
  readonly member: MemberStatus;
  /**
   * About how many keys: those the exchange under way has found so far, or those the last one moved. Undefined when
   * there was none yet.
   */
  readonly keys: number | undefined;
}

export type Verdict =
  | { readonly kind: "converged" }
  | { readonly kind: "converging"; readonly differing: readonly Differing[] }
  | {
      readonly kind: "partitioned";
      readonly reachable: readonly MemberStatus[];
      readonly unreachable: readonly MemberStatus[];
    };

export interface Convergence {
  readonly verdict: Verdict;
  readonly watermark: HlcTime;
  /** Without those that are merely the slowest by moments. */
  readonly heldBackBy: readonly HeldBack[];
  /** How old the news are that the verdict rests on: those of the member heard of least lately. */
  readonly newsAgeMs: number;
}

export async function convergence(member: ClusterMember): Promise<Convergence> {
  const root = await member.publishedRoot();
  const statuses = memberStatuses(member);
  const nowMs = member.clock.nowMs();
  const expireMs = newsExpireMs(member.stateIntervalMs, statuses.length);
  const isReachable = ({ state, newsAgeMs }: MemberStatus): boolean =>
    state === "alive" && (newsAgeMs ?? 0) <= expireMs;
  return {
    verdict: verdictOn(member, statuses, { root, isReachable }),
    watermark: member.keeper.completeness.watermark,
    heldBackBy: member.heldBackBy().filter(({ node, reason, completeThrough }) => {
      const isUp = member.membership.stateOf(node) === "alive";
      return !isUp || reason !== "behind" || hlcToMs(completeThrough) < nowMs - expireMs;
    }),
    newsAgeMs: Math.max(...statuses.map(({ newsAgeMs }) => newsAgeMs ?? 0), 0),
  };
}

interface Present {
  readonly root: string;
  readonly isReachable: (status: MemberStatus) => boolean;
}

function verdictOn(
  member: ClusterMember,
  statuses: readonly MemberStatus[],
  { root, isReachable }: Present,
): Verdict {
  const unreachable = statuses.filter((status) => !isReachable(status));
  if (unreachable.length > 0) {
    return { kind: "partitioned", reachable: statuses.filter(isReachable), unreachable };
  }
  const differing = statuses
    .filter((status) => !status.isSelf && status.root !== root)
    .map((status) => ({ member: status, keys: differingKeys(member, status) }));
  // Who is still to be let in may not know yet who else there is.
  const isMember = member.joiningState.kind === "member";
  return differing.length === 0 && isMember ? { kind: "converged" } : { kind: "converging", differing };
}

function differingKeys(member: ClusterMember, { id, lastExchange }: MemberStatus): number | undefined {
  const found = member.repair.progress(id);
  if (found !== undefined) return found.keysSent + found.keysReceived + found.keysLeft;
  return lastExchange === undefined ? undefined : lastExchange.keysSent + lastExchange.keysReceived;
}

/**
 * News reach everyone within a number of rounds that grows with the logarithm of the members; twice that, and some
 * rounds more, do not pass without news of a member that is there.
 */
function newsExpireMs(stateIntervalMs: number, members: number): number {
  return CALM_FACTOR * stateIntervalMs * (4 + 2 * Math.ceil(Math.log2(members + 1)));
}
