/** What membership says to peers, to its driver and to the rest of the node. */
import type { Effect, Peer, RequestFailure } from "../effects.ts";
import type { NodeId } from "../identity.ts";
import type { Member, MemberState, Update } from "./member.ts";

/** `to` of a message that is meant for whoever answers at the address. */
export const ANYONE: NodeId = "";

/** Retired ids in one message at most; about 20 bytes each. */
export const RETIRED_PAGE = 256;

/** Those that one names who let it in, at most: as many as it has addresses to enter at. */
export const BOUND_TO_MAX = 64;

interface Envelope {
  /** The sender as it sees itself: alive or stopped. */
  readonly from: Member;
}

interface Addressed extends Envelope {
  /** The id expected at the address; another one refuses. {@link ANYONE} in push-pulls to seeds and lost members. */
  readonly to: NodeId;
}

export interface Ping extends Addressed {
  readonly kind: "ping";
  readonly updates: readonly Update[];
}

/** Asks to probe `target` within `waitMs` and to say how it went. */
export interface PingReq extends Addressed {
  readonly kind: "ping-req";
  readonly target: NodeId;
  readonly waitMs: number;
  readonly updates: readonly Update[];
}

/** The ids a node knows, as it tells them. */
export interface TableStatement {
  readonly members: readonly Member[];
  /** The newest only; when hashes still differ, a walk through all follows. */
  readonly retired: readonly NodeId[];
  /** Whether the sender has been a member, or has taken over the table of one. See {@link isOfOtherCluster}. */
  readonly belongs: boolean;
}

/** The whole table. */
export interface PushPull extends Addressed, TableStatement {
  readonly kind: "push-pull";
  /**
   * The member that let the sender in, and those it has found to begin a cluster with, until the sender is a member itself: whoever
   * is there may count the sender as one of theirs. At most {@link BOUND_TO_MAX}.
   */
  readonly boundTo: readonly NodeId[];
}

/** One page of the sender's retired ids after `after` in byte order; an empty `ids` is the end. */
export interface RetiredPage extends Addressed {
  readonly kind: "retired-page";
  readonly after: NodeId;
  readonly ids: readonly NodeId[];
}

export type SwimRequest = Ping | PingReq | PushPull | RetiredPage;

export type RefusalCode =
  /** The sender's id is retired: it may come back only under a new one. */
  | "retired"
  /** A live member has the sender's name; `holder` tells which and where. */
  | "name_taken"
  /** Another node than the expected one is here; `holder` tells which. */
  | "not_me"
  /** The sender carries the receiver's own id: it reached itself, or its data directory is a copy. */
  | "own_id"
  /** Both belong to clusters, or were let into some, and to different ones. */
  | "other_cluster"
  | "protocol_mismatch"
  | "table_full"
  | "malformed";

export interface Refused {
  readonly kind: "refused";
  readonly code: RefusalCode;
  readonly holder?: Peer;
}

export type SwimReply =
  | (Envelope & { readonly kind: "ack"; readonly updates: readonly Update[] })
  /** The helper could not reach the target either; it shows that the helper is well. */
  | (Envelope & { readonly kind: "nack"; readonly updates: readonly Update[] })
  | (Envelope &
      TableStatement & {
        readonly kind: "state";
        /** Of the replier's table after it has merged the request. */
        readonly tableHash: string;
      })
  | (Envelope & { readonly kind: "retired-ids"; readonly ids: readonly NodeId[] })
  | Refused;

export type SwimMessage = SwimRequest | SwimReply;

export type SwimTimer =
  | { readonly kind: "probe" }
  | { readonly kind: "push-pull" }
  | { readonly kind: "reconnect" }
  | { readonly kind: "join" }
  | { readonly kind: "suspicion"; readonly id: NodeId; readonly generation: number };

export type SwimEvent =
  /** A member appeared or its entry changed; `previous` is undefined for a new one. */
  | { readonly kind: "member-changed"; readonly member: Member; readonly previous: Member | undefined }
  | { readonly kind: "member-retired"; readonly id: NodeId }
  /** This node has taken over the table of a member, and enters no other cluster; to be stored with the table. */
  | { readonly kind: "entered" }
  /** A seed has recorded this node and told it the table, for the first time in this run. */
  | { readonly kind: "joined"; readonly by: Peer }
  /** Others believed something else of this node, and it raised its generation beyond that. */
  | { readonly kind: "refuted"; readonly believed: Member; readonly generation: number }
  /** Others have declared this node dead; `refuted` follows. */
  | { readonly kind: "self-declared-dead"; readonly generation: number }
  /** This node's id is retired: by itself, by an operator, by a successor. It may come back only under a new id. */
  | { readonly kind: "self-retired" }
  /** Two live nodes have one name (or one id: a copied data directory); `second` came to light later. */
  | { readonly kind: "name-clash"; readonly first: Peer; readonly second: Peer }
  /** A node of another cluster of this name was met, and nothing taken from it. */
  | { readonly kind: "other-cluster"; readonly at: Peer }
  /** A peer did not accept this node's message; `holder` as in {@link Refused}. */
  | { readonly kind: "refused"; readonly by: Peer; readonly code: string; readonly holder: Peer | undefined }
  /** The table takes no further id: this one is not in it. */
  | { readonly kind: "table-full"; readonly id: NodeId }
  /** Others claim a generation for this node that leaves no room to refute: it must come back under a new id. */
  | { readonly kind: "generation-exhausted"; readonly claimed: number }
  /** How many of the peers told directly that this node stops or leaves have confirmed. */
  | {
      readonly kind: "announced";
      readonly state: MemberState;
      readonly confirmed: number;
      readonly told: number;
    };

export type SwimEffect = Effect<SwimRequest, SwimReply, SwimTimer, SwimEvent>;

/** Counters and gauges for metrics; counters only rise. */
export interface SwimStats {
  readonly localHealth: number;
  readonly openRequests: number;
  readonly broadcastsQueued: number;
  readonly broadcastsDropped: number;
  readonly updatesMalformed: number;
  /** About ids that the table had no room for. */
  readonly updatesBeyondBounds: number;
  readonly relaysRefused: number;
  readonly requestsRefused: number;
}

/** What came of a request. */
export type Outcome =
  | { readonly kind: "reply"; readonly message: Exclude<SwimReply, Refused> }
  | { readonly kind: "failed"; readonly failure: RequestFailure };
