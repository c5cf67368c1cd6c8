import {
  Completeness,
  type CompletenessUnit,
  type CountedMembers,
  type HlcTime,
  INITIAL_COMPLETENESS,
  isClaimed,
} from "@hearsay/core";
import { expect, test } from "vitest";
import { standingOf } from "./standing.ts";

const [A, B, C] = ["a~0123456789", "b~0123456789", "c~0123456789"] as const;
const tableOf = (...ids: string[]): CountedMembers => ({ ids, tableHash: `${ids.length}`.padStart(16, "0") });

/** Node a, to which b says that it is complete through a time: the two agree on it. */
function agree(a: Completeness, through: HlcTime, members: CountedMembers): void {
  const unit: CompletenessUnit = {
    sequence: through,
    completeThrough: through,
    tableHash: members.tableHash,
    settledAt: 0,
    complete: true,
  };
  a.exchanged(B, { time: through, vector: new Map() }, { floor: 0, complete: true }, a.begin());
  a.absorb(B, unit);
  a.unit(members, through, through);
  a.advance(members);
}

test("claims nothing of who has come with old writes and was retired before those who are left have agreed anew", () => {
  const completeness = new Completeness(A, 1000, { ...INITIAL_COMPLETENESS, recorded: true, complete: true });
  const claims = (members: CountedMembers): boolean[] => {
    const keeper = { completeness, members };
    const standing = standingOf({ keeper, joiningState: { kind: "member" }, confirmedThrough: 1 }, A, 90);
    return [A, B, C].map((node) => isClaimed(standing.claims, { time: 5, node }, members.tableHash));
  };
  agree(completeness, 90, tableOf(A, B));
  expect(claims(tableOf(A, B, C))).toEqual([true, true, false]);
  completeness.retirementSettled(120);
  expect(claims(tableOf(A, B))).toEqual([true, true, false]);
  agree(completeness, 130, tableOf(A, B));
  expect(claims(tableOf(A, B))).toEqual([true, true, true]);
});
