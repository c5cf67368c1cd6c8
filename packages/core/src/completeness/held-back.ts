import type { Completeness } from "./completeness.ts";
import type { CountedMembers, HeldBack } from "./terms.ts";

/** Which members keep the watermark where it is, for people. */
export function heldBackBy(completeness: Completeness, members: CountedMembers): HeldBack[] {
  let settled = completeness.state.settledAt;
  for (const id of members.ids) settled = Math.max(settled, completeness.unitOf(id)?.settledAt ?? 0);
  const held: HeldBack[] = [];
  for (const node of members.ids) {
    const unit = completeness.unitOf(node);
    const completeThrough = unit?.completeThrough ?? 0;
    if (unit === undefined) held.push({ node, reason: "silent", completeThrough });
    else if (unit.tableHash !== members.tableHash)
      held.push({ node, reason: "other_table", completeThrough });
    else if (completeThrough < settled) held.push({ node, reason: "unsettled", completeThrough });
    else if (completeThrough <= completeness.watermark)
      held.push({ node, reason: "behind", completeThrough });
  }
  return held;
}
