import { expect, test } from "vitest";
import { isOnePromised } from "./promised.ts";

test.each([
  [
    "all are told of all",
    [
      [1, 2],
      [0, 2],
      [0, 1],
    ],
  ],
  [
    "each is told of its own address, too",
    [
      [0, 1, 2],
      [0, 1, 2],
      [0, 1, 2],
    ],
  ],
  [
    "each is told of two, and any three of the four meet any other three",
    [
      [1, 2],
      [0, 3],
      [0, 3],
      [1, 2],
    ],
  ],
  ["who is told of one waits for the one that is told of more", [[1, 2], [0], [0]]],
])("one cluster is promised where %s", (_, told) => {
  expect(isOnePromised(told)).toBe(true);
});

test.each([
  ["two pairs are told of each other only", [[1], [0], [3], [2]]],
  ["two are told of as many and not the same", [[1, 2, 3], [0], [0], [4], [5, 3, 2], [4]]],
  ["a node is told of nobody that leads to the others", [[1, 2], [0, 2], [0, 1], [3]]],
])("one cluster is not promised where %s", (_, told) => {
  expect(isOnePromised(told)).toBe(false);
});
