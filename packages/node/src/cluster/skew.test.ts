import { expect, test } from "vitest";
import { ClockSkew } from "./skew.ts";

const peers =
  (...names: readonly string[]) =>
  () =>
    names.map((name) => ({ id: `${name}~0123456789` }));
const id = (name: string): string => `${name}~0123456789`;

test("a node is ahead when more than half of the live peers refuse its times", () => {
  const skew = new ClockSkew(1000);
  const live = peers("a", "b", "c", "d");
  expect(skew.isAheadOfMost(live, 0)).toBe(false);
  skew.refusedBy(id("a"), 0);
  skew.refusedBy(id("b"), 0);
  expect(skew.isAheadOfMost(live, 0)).toBe(false);
  skew.refusedBy(id("c"), 0);
  expect(skew.isAheadOfMost(live, 0)).toBe(true);
});

test("peers that are not live do not count, and without any nobody is ahead", () => {
  const skew = new ClockSkew(1000);
  skew.refusedBy(id("gone"), 0);
  expect(skew.isAheadOfMost(peers("a", "b"), 0)).toBe(false);
  expect(skew.isAheadOfMost(peers(), 0)).toBe(false);
  skew.refusedBy(id("a"), 0);
  expect(skew.isAheadOfMost(peers("a"), 0)).toBe(true);
});

test("a verdict ends when the peer accepts a time again, or has said nothing for long", () => {
  const skew = new ClockSkew(1000);
  const live = peers("a");
  skew.refusedBy(id("a"), 0);
  skew.acceptedBy(id("a"));
  expect(skew.isAheadOfMost(live, 0)).toBe(false);
  skew.refusedBy(id("a"), 0);
  expect(skew.isAheadOfMost(live, 1000)).toBe(true);
  expect(skew.isAheadOfMost(live, 1001)).toBe(false);
});
