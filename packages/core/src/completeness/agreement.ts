/** What a watermark that was computed here says of single nodes: nothing of those that have come since. */
import type { HlcTime } from "../clock.ts";
import type { NodeId } from "../identity.ts";
import type { Version } from "../version.ts";
import type { Completeness } from "./completeness.ts";
import type { CountedMembers } from "./terms.ts";

/** All of these hold or cover whatever any of them held at this time. */
export interface Agreement {
  readonly through: HlcTime;
  readonly among: ReadonlySet<NodeId>;
}

export const NO_AGREEMENT: Agreement = { through: 0, among: new Set() };

/** Whether one node holds or covers every write of another one up to a time, because both were among those who agreed. */
export function isAgreed(
  { through, among }: Agreement,
  time: HlcTime,
  holder: NodeId,
  writer: NodeId,
): boolean {
  return time <= through && among.has(holder) && among.has(writer);
}

/**
 * Through which time a node holds or covers what the ids have written that it does not count. Of a retired one no entry is kept: what
 * it wrote is here once the members have agreed on a time after its retirement was settled.
 */
export function holdsOfRetired({ agreement, state }: Pick<Completeness, "agreement" | "state">): HlcTime {
  return agreement.through >= state.settledAt ? agreement.through : 0;
}

/** Whether a node holds or covers every write of a node up to and with this one. What a node brings that comes later may be older. */
export function holdsAllThrough(
  completeness: Pick<Completeness, "vector" | "agreement" | "state">,
  { node, time }: Version,
  { ids }: CountedMembers,
): boolean {
  const { vector, agreement } = completeness;
  if ((vector.get(node) ?? 0) >= time) return true;
  if (isAgreed(agreement, time, node, node)) return true;
  return !ids.includes(node) && time <= holdsOfRetired(completeness);
}
