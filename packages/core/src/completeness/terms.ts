/** What nodes say of their completeness, and what of it survives a restart. */
import type { HlcTime } from "../clock.ts";
import type { NodeId } from "../identity.ts";

/** What a node says of itself, as one unit; the unit with the greatest sequence is the one that holds. */
export interface CompletenessUnit {
  /** The node's clock when it made the unit; rises across restarts because the clock does. */
  readonly sequence: HlcTime;
  /** The node holds or covers everything any counted member held at this time. */
  readonly completeThrough: HlcTime;
  /** Hash of the ids and retirements of the member table under which that was computed. */
  readonly tableHash: string;
  /** The node's clock when it had settled the latest retirement it adopted; 0 for none. */
  readonly settledAt: HlcTime;
  /** The node may judge what lies at or below its floor. */
  readonly complete: boolean;
}

/**
 * What has to survive a restart. Losing a rise of `vector` or `completeFloor`, or that the node became complete or
 * recorded, is safe; losing one of the others, or that it is complete no longer, is not. A node that restarts with
 * retirements in its table settles them again, because it may have stopped before it had. A new incarnation in doubt keeps `watermark`, `floor` and
 * `settledAt`, and nothing else.
 */
export interface CompletenessState {
  readonly vector: ReadonlyMap<NodeId, HlcTime>;
  /** A majority of the others has this node on disk, or it founded the cluster. */
  readonly recorded: boolean;
  /** May judge what lies at or below the floor. */
  readonly complete: boolean;
  /** The greatest C that this node has said of itself, and the floor at which it became complete (F). */
  readonly completeFloor: HlcTime;
  readonly floor: HlcTime;
  readonly watermark: HlcTime;
  readonly settledAt: HlcTime;
}

/** Of a node that has yet to join; a founder is recorded and complete. */
export const INITIAL_COMPLETENESS: CompletenessState = {
  vector: new Map(),
  recorded: false,
  complete: false,
  completeFloor: 0,
  floor: 0,
  watermark: 0,
  settledAt: 0,
};

/** What a node offers at the start of an exchange, as of the moment it took its root. */
export interface ExchangeOffer {
  readonly time: HlcTime;
  readonly vector: ReadonlyMap<NodeId, HlcTime>;
}

/** Where this node stood when an exchange began. */
export interface ExchangeBegin {
  /** Rises when claims under way have become void. */
  readonly epoch: number;
  readonly floor: HlcTime;
  /** Rises when a peer that cannot judge has brought a live version at or below the floor. */
  readonly disturbances: number;
}

/**
 * What a completed exchange has shown. `nothing`: a retirement was settled meanwhile. `held`: this node holds or covers what
 * the peer did. `exact`: besides, it holds at or below the floor what is right and nothing else, as the peer does.
 */
export type ExchangeProof = "nothing" | "held" | "exact";

/** The member table as far as completeness is concerned; a retirement shows in it once it is settled. */
export interface CountedMembers {
  /** All ids that are not retired, this node's own among them. */
  readonly ids: readonly NodeId[];
  readonly tableHash: string;
}

export type CompletenessEvent =
  | { readonly kind: "watermark"; readonly watermark: HlcTime }
  | { readonly kind: "floor"; readonly floor: HlcTime }
  /** No counted member was complete, and all hold the same: this node may judge from now on. */
  | { readonly kind: "complete"; readonly floor: HlcTime }
  /**
   * A floor above what this node has confirmed was adopted on a peer's word, or something old taken in the place of a damaged
   * record: it has to catch up first.
   */
  | { readonly kind: "incomplete"; readonly floor: HlcTime; readonly completeFloor: HlcTime };

export interface HeldBack {
  readonly node: NodeId;
  readonly reason: "silent" | "other_table" | "behind" | "unsettled";
  readonly completeThrough: HlcTime;
}
