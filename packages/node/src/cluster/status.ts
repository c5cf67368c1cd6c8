/** What this node can say of every counted member, from what it has been told. Asks nobody. */
import { type HlcTime, type Member, type NodeId, nodeName } from "@hearsay/core";
import type { ClusterMember } from "./member.ts";
import type { ClockOffset, LastExchange } from "./repair.ts";

export interface MemberStatus {
  readonly id: NodeId;
  readonly name: string;
  readonly isSelf: boolean;
  readonly state: Member["state"];
  readonly address: string;
  readonly zone: string;
  readonly build: string;
  readonly generation: number;
  /** Suspicion by silence (φ accrual); undefined before enough messages have come, and of this node. */
  readonly phi: number | undefined;
  readonly keys: number | undefined;
  readonly bytes: number | undefined;
  /** 16 hexadecimal digits. */
  readonly root: string | undefined;
  /** Why it takes no client writes; empty when it does. */
  readonly notWritable: string | undefined;
  readonly completeThrough: HlcTime | undefined;
  /** Of its wall clock, against this node's. */
  readonly clockOffset: ClockOffset | undefined;
  /** The last exchange that this node began with it and that came to its end. */
  readonly lastExchange: LastExchange | undefined;
  /** How old the newest news of it are; 0 of this node, undefined when there are none. */
  readonly newsAgeMs: number | undefined;
}

/** All counted members, by name. */
export function memberStatuses(member: ClusterMember): MemberStatus[] {
  return member.membership
    .members()
    .map((entry) => statusOf(member, entry))
    .sort((a, b) => (a.id < b.id ? -1 : 1));
}

function statusOf(member: ClusterMember, entry: Member): MemberStatus {
  const { id, state, address, zone, build, generation } = entry;
  const isSelf = id === member.id;
  const published = member.states.of(id);
  const heardAtMs = member.states.heardAtMs(id);
  return {
    id,
    name: nodeName(id),
    isSelf,
    state,
    address,
    zone,
    build,
    generation,
    phi: isSelf ? undefined : member.membership.phi(id),
    keys: published?.keys,
    bytes: published?.bytes,
    root: published?.root,
    notWritable: isSelf ? (member.notWritable()?.code ?? "") : published?.notWritable,
    completeThrough: member.keeper.completeness.unitOf(id)?.completeThrough,
    clockOffset: isSelf ? { offsetMs: 0, errorMs: 0 } : member.repair.clockOffset(id),
    lastExchange: member.lastExchange(id),
    newsAgeMs: isSelf ? 0 : heardAtMs === undefined ? undefined : member.timers.monotonicMs() - heardAtMs,
  };
}

/**
 * Whether a member that is still part of the cluster has said that it holds all that this counted id wrote up to a time.
 * A claim made under another member table may not have counted the writer, and proves nothing.
 */
export function hasConfirmed(member: ClusterMember, by: NodeId, writer: NodeId, time: HlcTime): boolean {
  const { ids, tableHash } = member.membership.counted();
  const unit = member.keeper.completeness.unitOf(by);
  return unit?.tableHash === tableHash && unit.completeThrough >= time && ids.includes(writer);
}
