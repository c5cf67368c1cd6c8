/**
 * What nodes say about one another, and which of two statements wins.
 *
 * Statements about one id are totally ordered: a retirement beats everything; else the greater generation; else
 * alive < suspect < dead < stopped (Das, Gupta, Motivala, "SWIM", 2002, section 4.2, where dead is final; here
 * the id stays counted and may come back with a greater generation); else the greater metadata, field by field.
 */
import type { Peer } from "../effects.ts";
import { isNodeId, type NodeId } from "../identity.ts";

export type MemberState = "alive" | "suspect" | "dead" | "stopped" | "retired";

/** The node-to-node protocol versions a build speaks, both inclusive. */
export interface ProtocolRange {
  readonly min: number;
  readonly max: number;
}

/** An id that is not retired. Retired ids are kept bare. */
export interface Member extends Peer {
  /** SWIM's incarnation number, a safe integer. Raised by the member itself and nobody else. */
  readonly generation: number;
  readonly state: Exclude<MemberState, "retired">;
  /** Failure domain by the operator's word; may be empty. */
  readonly zone: string;
  readonly protocol: ProtocolRange;
  /** Version text of the program; may be empty. */
  readonly build: string;
}

/** One statement, as it travels on messages. */
export type Update =
  | {
      readonly kind: "member";
      readonly member: Member;
      /** Who says that it is suspect; independent accusers shorten the suspicion. */
      readonly accuser?: NodeId;
    }
  | { readonly kind: "retired"; readonly id: NodeId };

export const ADDRESS_MAX_LENGTH = 261;
export const ZONE_MAX_LENGTH = 63;
export const BUILD_MAX_LENGTH = 63;
export const PROTOCOL_VERSION_MAX = 65_535;
/** Leaves a member room to refute whatever generation others may claim for it. */
export const GENERATION_MAX: number = 2 ** 52;

const RANK: Readonly<Record<Member["state"], number>> = { alive: 0, suspect: 1, dead: 2, stopped: 3 };

/** Greater than 0 when `a` wins over `b`; both are about the same id. 0 only when they say the same. */
export function comparePrecedence(a: Member, b: Member): number {
  if (a === b) return 0;
  if (a.generation !== b.generation) return a.generation - b.generation;
  if (a.state !== b.state) return RANK[a.state] - RANK[b.state];
  if (a.address !== b.address) return a.address > b.address ? 1 : -1;
  if (a.zone !== b.zone) return a.zone > b.zone ? 1 : -1;
  if (a.build !== b.build) return a.build > b.build ? 1 : -1;
  return a.protocol.max - b.protocol.max || a.protocol.min - b.protocol.min;
}

/** Alive or suspect: probed, gossiped to and served as before. */
export function isLiveMember(member: Member): boolean {
  return member.state === "alive" || member.state === "suspect";
}

export function peerOf(member: Member): Peer {
  return { id: member.id, address: member.address };
}

export function protocolsOverlap(a: ProtocolRange, b: ProtocolRange): boolean {
  return a.min <= b.max && b.min <= a.max;
}

/** Whether a decoded member keeps the bounds of every field. Types are the codec's concern, content is checked here. */
export function isWellFormed(member: Member): boolean {
  const { generation, protocol } = member;
  return (
    isNodeId(member.id) &&
    member.address.length > 0 &&
    member.address.length <= ADDRESS_MAX_LENGTH &&
    member.zone.length <= ZONE_MAX_LENGTH &&
    member.build.length <= BUILD_MAX_LENGTH &&
    Number.isSafeInteger(generation) &&
    generation >= 0 &&
    generation <= GENERATION_MAX &&
    Number.isSafeInteger(protocol.min) &&
    protocol.min >= 0 &&
    protocol.min <= protocol.max &&
    protocol.max <= PROTOCOL_VERSION_MAX
  );
}
