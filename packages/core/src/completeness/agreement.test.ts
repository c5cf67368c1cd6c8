import { describe, expect, test } from "vitest";
import { holdsAllThrough, isAgreed } from "./agreement.ts";
import { Completeness } from "./completeness.ts";
import { type CompletenessUnit, type CountedMembers, INITIAL_COMPLETENESS } from "./terms.ts";

const [A, B, C] = ["a~0", "b~0", "c~0"] as const;
const table = (...ids: string[]): CountedMembers => ({ ids, tableHash: ids.join() });
const AB = table(A, B);

const unit = (completeThrough: number, { tableHash }: CountedMembers): CompletenessUnit => ({
  sequence: completeThrough,
  completeThrough,
  tableHash,
  settledAt: 0,
  complete: true,
});

/** a and b have agreed on a time. */
function agreed(): Completeness {
  const node = new Completeness(A, 1000, { ...INITIAL_COMPLETENESS, recorded: true, complete: true });
  node.exchanged(B, { time: 100, vector: new Map() }, { floor: 0, complete: true }, node.begin());
  node.absorb(B, unit(90, AB));
  node.unit(AB, 100, 100);
  node.advance(AB);
  return node;
}

describe("what members have agreed on", () => {
  test("is what they hold of one another up to that time, and no later", () => {
    const { agreement } = agreed();
    expect(agreement).toEqual({ through: 90, among: new Set([A, B]) });
    expect([isAgreed(agreement, 90, A, B), isAgreed(agreement, 91, A, B)]).toEqual([true, false]);
  });

  test("is nothing that one has brought who has come since, nor what that one holds", () => {
    const node = agreed();
    expect([isAgreed(node.agreement, 5, A, C), isAgreed(node.agreement, 5, C, A)]).toEqual([false, false]);
    expect(holdsAllThrough(node, { node: C, time: 5 }, table(A, B, C))).toBe(false);
    node.exchanged(C, { time: 7, vector: new Map() }, { floor: 0, complete: false }, node.begin());
    const held = [7, 8].map((time) => holdsAllThrough(node, { node: C, time }, table(A, B, C)));
    expect(held).toEqual([true, false]);
  });

  test("is of who has been retired since still what it was", () => {
    const node = agreed();
    node.retirementSettled(120);
    node.advance(table(A));
    expect(node.vector.has(B)).toBe(false);
    const held = [90, 91].map((time) => holdsAllThrough(node, { node: B, time }, table(A)));
    expect(held).toEqual([true, false]);
  });

  test("is of who has come and was retired since only what they agree on after that", () => {
    const node = agreed();
    node.retirementSettled(120);
    expect(holdsAllThrough(node, { node: C, time: 5 }, AB)).toBe(false);
    node.exchanged(B, { time: 130, vector: new Map() }, { floor: 0, complete: true }, node.begin());
    node.absorb(B, unit(125, AB));
    node.unit(AB, 130, 130);
    node.advance(AB);
    expect(holdsAllThrough(node, { node: C, time: 5 }, AB)).toBe(true);
  });
});
