import { expect, test } from "vitest";
import { relevantLines } from "./relevant.ts";

const LINES = [
  "1.000 n1 stores key-1 at 11 by n1~0123456789 and the deletion at 9 by n2~0123456789",
  "1.100 n2 stores key-2 at 12 by n1~0123456789",
  "1.200 fault crash at n3 for 500 ms",
  "1.300 n3 is killed",
  '1.400 n1 acknowledges key-2 "7:xx" at 12 by n1~0123456789',
  "1.500 n2 drops key-1",
];

test("of records only the lines about the key that a violation names are kept", () => {
  const detail = '"7:xx" of key-2 at 12 by n1~0123456789 is gone, and no write covers it';
  expect(relevantLines(LINES, { invariant: "siblings", detail })).toEqual(LINES.slice(1, 5));
});

test("where it names a node and no key, of records the lines about that node", () => {
  const detail = "12 by n1~0123456789 was issued after that or a later one was";
  const kept = relevantLines(LINES, { invariant: "clock", detail });
  expect(kept).toEqual([0, 2, 3, 4].map((i) => LINES[i]));
});

test("where it names neither, all lines are kept", () => {
  expect(
    relevantLines(LINES, { invariant: "membership", detail: "not within 600 s: every node runs" }),
  ).toEqual(LINES);
});
