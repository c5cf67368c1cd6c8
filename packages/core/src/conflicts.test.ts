import { expect, test } from "vitest";
import { type ConflictPolicy, siblingLimit } from "./conflicts.ts";

function rules(...policies: [string, ConflictPolicy][]) {
  return { maxSiblings: 32, policies: new Map(policies) };
}

test("siblings are kept where no prefix matches", () => {
  expect(siblingLimit(rules(), "any")).toBe(32);
  expect(siblingLimit(rules(["cache/", "discard"]), "cach")).toBe(32);
});

test("the longest matching prefix decides, in whatever order they are listed", () => {
  const nested: [string, ConflictPolicy][] = [
    ["", "discard"],
    ["cache/", "keep"],
    ["cache/hot/", "discard"],
  ];
  for (const table of [rules(...nested), rules(...nested.toReversed())]) {
    expect(siblingLimit(table, "x")).toBe(1);
    expect(siblingLimit(table, "cache/x")).toBe(32);
    expect(siblingLimit(table, "cache/hot/x")).toBe(1);
    expect(siblingLimit(table, "cache/hot")).toBe(32);
  }
});
