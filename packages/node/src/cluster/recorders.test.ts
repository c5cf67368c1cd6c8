import type { Peer } from "@hearsay/core";
import { describe, expect, test } from "vitest";
import { type Majority, Recorders } from "./recorders.ts";

const peer = (name: string): Peer => ({ id: `${name}~0123456789`, address: `${name}:1` });
const isMet = ({ counted, needed }: Majority): boolean => counted >= needed;

describe("a majority", () => {
  test("has newcomers neither in it nor against it, until they are members", () => {
    const recorders = new Recorders();
    const others = ["a", "b", "c", "d", "e"].map(peer);
    for (const { id } of others.slice(2)) recorders.heard(id, true, true);
    expect(recorders.majorityOf(others, undefined, true)).toEqual({ counted: 0, needed: 2 });
    for (const { id } of [peer("a"), peer("c")]) recorders.heard(id, false, true);
    expect(recorders.majorityOf(others, undefined, true)).toEqual({ counted: 2, needed: 2 });
  });

  test("has no member in it before one has told of all", () => {
    const recorders = new Recorders();
    recorders.heard(peer("a").id, false, true);
    expect(isMet(recorders.majorityOf([peer("a")], undefined, false))).toBe(false);
    expect(isMet(recorders.majorityOf([peer("a")], undefined, true))).toBe(true);
  });

  test("has nobody in it who has gone from the table", () => {
    const recorders = new Recorders();
    recorders.heard(peer("a").id, false, true);
    expect(recorders.majorityOf([peer("x")], undefined, true)).toEqual({ counted: 0, needed: 1 });
  });

  test("needs somebody: with nobody else there is none", () => {
    expect(isMet(new Recorders().majorityOf([], undefined, true))).toBe(false);
    expect(isMet(new Recorders().majorityOf([], [], true))).toBe(false);
  });

  test("of founders is one of those told of, or of who came in their place", () => {
    const recorders = new Recorders();
    const told = ["a", "b", "c"].map(peer);
    const late = ["d", "e", "f", "g"].map(peer);
    for (const { id } of late) recorders.heard(id, true, true);
    expect(recorders.majorityOf([...told, ...late], told, false)).toEqual({ counted: 0, needed: 2 });
    const successor = { id: "b~9876543210", address: "b:1" };
    const moved = { ...peer("c"), address: "y:1" };
    for (const { id } of [successor, moved]) recorders.heard(id, true, true);
    const others = [peer("a"), successor, moved, ...late];
    expect(recorders.majorityOf(others, told, false)).toEqual({ counted: 2, needed: 2 });
  });
});

test("those asked least are asked first, newcomers last, and nobody who has recorded it", () => {
  const recorders = new Recorders();
  const others = ["a", "b", "c", "d"].map(peer);
  recorders.heard(peer("a").id, true, false);
  recorders.heard(peer("b").id, undefined, false);
  recorders.heard(peer("c").id, false, true);
  expect(recorders.openOf(others)).toEqual([peer("d"), peer("b"), peer("a")]);
});

test("an answer brings a majority nearer that tells of a record, or of a newcomer that was taken for a member", () => {
  const recorders = new Recorders();
  const { id } = peer("a");
  expect([recorders.heard(id, true, false), recorders.heard(id, true, false)]).toEqual([true, false]);
  expect([recorders.heard(id, undefined, false), recorders.heard(id, false, true)]).toEqual([false, true]);
});
