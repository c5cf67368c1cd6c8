/** Compares one node of a cluster with every other member. */
import type { ClusterMemberItem, DiffReport } from "@hearsay/api";
import { type Client, HearsayError } from "@hearsay/client";
import { pause } from "./pause.ts";

export type ComparisonResult =
  | { readonly kind: "equal" }
  | { readonly kind: "differs"; readonly diff: DiffReport }
  /** It was not asked, or did not answer. */
  | { readonly kind: "unknown"; readonly reason: string };

export interface Comparison {
  readonly member: ClusterMemberItem;
  readonly result: ComparisonResult;
}

export interface ClusterComparison {
  /** The node that was asked, and that compared itself with the others. */
  readonly self: ClusterMemberItem | undefined;
  readonly comparisons: readonly Comparison[];
}

export interface CompareOptions {
  readonly signal: AbortSignal;
  /** Writes on their way show as differences; these may take so long to settle. */
  readonly settleMs: number;
  /** Differing keys that are named, for each member. */
  readonly limit?: number | undefined;
}

const ASK_AGAIN_MS = 200;

/** What equals the asked node equals all that do, so this compares all with all. */
export async function compareAll(client: Client, options: CompareOptions): Promise<ClusterComparison> {
  const { members } = await client.cluster.status({ signal: options.signal });
  const comparisons: Comparison[] = [];
  for (const member of members) {
    if (!member.self) comparisons.push({ member, result: await compare(client, member, options) });
  }
  return { self: members.find(({ self }) => self), comparisons };
}

async function compare(
  client: Client,
  { id, state }: ClusterMemberItem,
  { signal, settleMs, limit }: CompareOptions,
): Promise<ComparisonResult> {
  if (state === "dead" || state === "stopped") return { kind: "unknown", reason: state };
  const endMs = performance.now() + settleMs;
  for (;;) {
    try {
      const diff = await client.cluster.diff(id, { signal, limit });
      if (diff.equal) return { kind: "equal" };
      if (performance.now() >= endMs) return { kind: "differs", diff };
    } catch (error) {
      if (!(error instanceof HearsayError) || error.code !== "peer_unreachable") throw error;
      return { kind: "unknown", reason: error.message };
    }
    await pause(ASK_AGAIN_MS, signal);
  }
}
