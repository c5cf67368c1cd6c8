/**
 * What rumor mongering says. Requests and replies carry the same two things, rumors and answers to rumors, so one
 * dialogue serves push, pull and both.
 */
import type { Effect } from "../effects.ts";
import type { NodeId } from "../identity.ts";
import type { Version } from "../version.ts";

/** Names one state of one key's record by the versions of its siblings, newest first. Carries no value. */
export interface Rumor {
  readonly key: string;
  readonly versions: readonly Version[];
  /** Size of the encoded record, or a bound on it. */
  readonly sizeBytes: number;
  /** Nodes that have passed it on since its coordinator; from {@link HOPS_MAX} on they are not counted any more. */
  readonly hops: number;
  /** Sent to every live peer by one node: the receiver does not forward it. */
  readonly mailed: boolean;
}

/** Far more than it takes to reach every node. */
export const HOPS_MAX = 255;

/**
 * A rumor in a message. Where `inline` is set the driver puts the record the store holds for the key then into the
 * message; where the store holds none any more, it leaves the rumor out.
 */
export interface CarriedRumor extends Rumor {
  readonly inline: boolean;
}

/**
 * - `new`: the record changed what was held here, durably by now.
 * - `known`: everything in it was held or covered here, durably by now.
 * - `wanted`: offered by version, not held here, please send it.
 * - `promised`: as `wanted`, but another node was asked for it already.
 * - `refused`: held against a rule here; the sender is not to offer it again.
 */
export type RumorVerdict = "new" | "known" | "wanted" | "promised" | "refused";

export interface RumorAnswer {
  readonly key: string;
  readonly verdict: RumorVerdict;
}

export interface RumorRequest {
  readonly kind: "rumor_request";
  readonly rumors: readonly CarriedRumor[];
  /** Records the sender was offered by version and asks for. */
  readonly wants: readonly Rumor[];
  /** Answers to the rumors in the reply of that turn. */
  readonly answers: { readonly turn: number; readonly list: readonly RumorAnswer[] } | undefined;
  /** Whether the reply may bring the receiver's own hot rumors. */
  readonly pull: boolean;
}

export interface RumorReply {
  readonly kind: "rumor_reply";
  /** Numbers the replies of one node, so that late answers are told from current ones. */
  readonly turn: number;
  readonly answers: readonly RumorAnswer[];
  readonly rumors: readonly CarriedRumor[];
}

export type RumorMessage = RumorRequest | RumorReply;

/**
 * What became of one received rumor, in the order of the message, told to the machine once the store has committed it.
 * `lacking` is a rumor without its record, whose versions the store neither holds nor covers even by the time the
 * machine is told (a record that came meanwhile makes it `known`). `held` is the state of the key's record after the
 * merge.
 */
export type ReceivedRumor =
  | { readonly state: "new"; readonly held: HeldRecord }
  | { readonly state: "known"; readonly held: HeldRecord }
  | { readonly state: "lacking" }
  | { readonly state: "refused" };

export interface HeldRecord {
  readonly versions: readonly Version[];
  readonly sizeBytes: number;
}

export type RumorTimer = { readonly kind: "mail" | "round" | "wants"; readonly sequence: number };

/**
 * A peer durably holds the record state with these versions, or a later one. Told only for rumors added with origin
 * `write`, and now and then twice for the same peer. A node's clock exceeds everything it merged, so the event settles a write of its own at version v when
 * `versions[0].time >= v.time`: that state contains v or covers it.
 */
export interface RumorHeldEvent {
  readonly kind: "rumor_held";
  readonly peer: NodeId;
  readonly key: string;
  readonly versions: readonly Version[];
}

export type RumorEffect = Effect<RumorRequest, RumorReply, RumorTimer, RumorHeldEvent>;

export function sameVersions(a: readonly Version[], b: readonly Version[]): boolean {
  if (a === b) return true;
  return (
    a.length === b.length &&
    a.every((version, i) => version.time === b[i]?.time && version.node === b[i]?.node)
  );
}

/** Bytes of a rumor in a message besides the record: an upper bound of key, versions and framing. */
export function rumorOverheadBytes(rumor: Rumor): number {
  let bytes = RUMOR_FRAME_BYTES + rumor.key.length * UTF8_BYTES_PER_UNIT;
  for (const version of rumor.versions) bytes += VERSION_FRAME_BYTES + version.node.length;
  return bytes;
}

export function answerBytes(answer: RumorAnswer): number {
  return ANSWER_FRAME_BYTES + answer.key.length * UTF8_BYTES_PER_UNIT;
}

const UTF8_BYTES_PER_UNIT = 3;
const RUMOR_FRAME_BYTES = 24;
const VERSION_FRAME_BYTES = 12;
const ANSWER_FRAME_BYTES = 12;
