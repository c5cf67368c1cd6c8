/** Everything one node may ask another, and what it may answer. `wire` encodes these; the node serves them. */
import type { ExchangeReply, ExchangeRequest } from "./anti-entropy/messages.ts";
import type { HlcTime } from "./clock.ts";
import type { Standing } from "./completeness/admission.ts";
import type { NodeId } from "./identity.ts";
import type { Update } from "./membership/member.ts";
import type { SwimReply, SwimRequest } from "./membership/swim-messages.ts";
import type { KeyRecord } from "./record.ts";
import type { CarriedRumor, RumorReply, RumorRequest } from "./rumor/messages.ts";
import type { StateReply, StateRequest } from "./state/messages.ts";
import type { Version } from "./version.ts";

/** A rumor with the record the store held for its key when the message was made. */
export interface LoadedRumor extends CarriedRumor {
  readonly record: KeyRecord | null;
}

/** {@link RumorRequest} as it travels: loaded, and with the sender's standing for the ghost rule. */
export interface LoadedRumorRequest extends Omit<RumorRequest, "kind" | "rumors"> {
  readonly kind: "rumors";
  readonly standing: Standing;
  readonly rumors: readonly LoadedRumor[];
  /** Membership changes that ride along. */
  readonly updates: readonly Update[];
}

export interface LoadedRumorReply extends Omit<RumorReply, "kind" | "rumors"> {
  readonly kind: "rumors-reply";
  readonly standing: Standing;
  readonly rumors: readonly LoadedRumor[];
  readonly updates: readonly Update[];
}

/** Asks for what the peer holds of a key: reads with `ack`, read repair, and `Hearsay-After`. */
export interface FetchRequest {
  readonly kind: "fetch";
  readonly key: string;
}

export interface FetchReply {
  readonly kind: "fetched";
  readonly standing: Standing;
  readonly record: KeyRecord | null;
}

/** Asks whether the peer durably holds or covers a version. */
export interface HoldsRequest {
  readonly kind: "holds";
  readonly key: string;
  readonly version: Version;
}

export interface HoldsReply {
  readonly kind: "holds-reply";
  readonly holds: boolean;
}

/** What nodes of one cluster have to agree on, or a record one of them takes would be refused by another. */
export interface SharedLimits {
  readonly maxValueBytes: number;
  readonly maxSiblings: number;
  readonly maxMessageBytes: number;
  readonly tombstoneRetentionMs: number;
  /** The first 8 bytes, in hexadecimal, of a hash of the digest key. */
  readonly digestKeyId: string;
}

export const HELLO_IDS_MAX = 512;

/** A joiner's first words to its introducer, before it enters the member table. */
export interface HelloRequest {
  readonly kind: "hello";
  readonly limits: SharedLimits;
  /** Ids that the sender knows, its own former ones among them, at most {@link HELLO_IDS_MAX}. */
  readonly knows: readonly NodeId[];
  /** The sender has been a member, or has taken over the table of one, and those are ids of its cluster. */
  readonly belongs: boolean;
  /** See {@link PushPull.boundTo}. */
  readonly boundTo: readonly NodeId[];
}

export interface HelloReply {
  readonly kind: "welcome";
  readonly limits: SharedLimits;
  /** The introducer's clock, for the joiner to observe. */
  readonly time: HlcTime;
  readonly floor: HlcTime;
  readonly watermark: HlcTime;
  /** The introducer has the joiner on disk as a counted member. */
  readonly recorded: boolean;
  /** Nothing that ran on its directory has been a member of this cluster yet: it cannot let anybody in. */
  readonly newcomer: boolean;
  /** The introducer knows one of the ids that the sender knows: what the sender has is from this cluster. */
  readonly related: boolean;
  /** The introducer; an older build does not say. */
  readonly by: NodeId | null;
}

export type PeerRequest =
  | SwimRequest
  | LoadedRumorRequest
  | ExchangeRequest
  | StateRequest
  | FetchRequest
  | HoldsRequest
  | HelloRequest;

export type PeerReply =
  | SwimReply
  | LoadedRumorReply
  | ExchangeReply
  | StateReply
  | FetchReply
  | HoldsReply
  | HelloReply;
