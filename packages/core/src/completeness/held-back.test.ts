import { expect, test } from "vitest";
import { Completeness } from "./completeness.ts";
import { heldBackBy } from "./held-back.ts";
import { type CompletenessUnit, type CountedMembers, INITIAL_COMPLETENESS } from "./terms.ts";

const [A, B, C] = ["a~0000000000", "b~0000000000", "c~0000000000"] as const;
const ABC: CountedMembers = { ids: [A, B, C], tableHash: "all" };
const unit = (completeThrough: number, part: Partial<CompletenessUnit> = {}): CompletenessUnit => ({
  sequence: completeThrough,
  completeThrough,
  tableHash: ABC.tableHash,
  settledAt: 0,
  complete: true,
  ...part,
});

/** A at 100 with everybody met, B and C as given. */
function met(b: CompletenessUnit, c: CompletenessUnit | undefined): Completeness {
  const node = new Completeness(A, 50, { ...INITIAL_COMPLETENESS, recorded: true, complete: true });
  const offer = { time: 100, vector: new Map() };
  for (const id of [B, C]) node.exchanged(id, offer, { floor: 0, complete: false }, node.begin());
  node.unit(ABC, 100, 100);
  node.absorb(B, b);
  if (c !== undefined) node.absorb(C, c);
  return node;
}

test("what holds the watermark back is each member with its reason", () => {
  const node = met(unit(90), undefined);
  const member = (node: string, reason: string, completeThrough: number) => ({
    node,
    reason,
    completeThrough,
  });
  expect(heldBackBy(node, ABC)).toEqual([member(C, "silent", 0)]);
  node.absorb(C, unit(96, { tableHash: "other" }));
  expect(heldBackBy(node, ABC)).toEqual([member(C, "other_table", 96)]);
  node.absorb(C, unit(97, { settledAt: 95 }));
  expect(heldBackBy(node, ABC)).toEqual([member(B, "unsettled", 90)]);
  node.absorb(B, unit(99));
  expect(heldBackBy(node, ABC)).toEqual([]);
  node.advance(ABC);
  expect(heldBackBy(node, ABC)).toEqual([member(C, "behind", 97)]);
});

test("what holds it back is this node when it has said nothing under its table", () => {
  const node = met(unit(90), unit(95));
  node.retirementSettled(100);
  expect(heldBackBy(node, ABC).map(({ node: id, reason }) => [id, reason])).toEqual([
    [A, "silent"],
    [B, "unsettled"],
    [C, "unsettled"],
  ]);
});
