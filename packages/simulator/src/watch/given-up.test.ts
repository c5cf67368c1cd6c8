import type { Context, KeyRecord, Sibling } from "@hearsay/core";
import { expect, test } from "vitest";
import { regression, withoutRefused } from "./given-up.ts";

const A = "a~0000000000";
const B = "b~0000000000";

const deletion = (node: string, time: number): Sibling => ({ kind: "tombstone", version: { node, time } });
const recordOf = (context: readonly [string, number][], first: Sibling, ...rest: Sibling[]): KeyRecord => ({
  context: new Map(context),
  siblings: [first, ...rest],
});

const ghost = deletion(A, 10);
const beside = deletion(B, 20);
const OLDER = recordOf(
  [
    [A, 10],
    [B, 20],
  ],
  beside,
  ghost,
);

test("a record that covers less than before regresses, unless it is without a ghost that was the last of its node", () => {
  const left = recordOf(
    [
      [A, 9],
      [B, 20],
    ],
    beside,
  );
  const found = (older: Context): string | undefined =>
    regression("n1", "k", { ...OLDER, context: older }, left)?.invariant;
  expect(found(OLDER.context)).toBe("regression");
  expect(found(withoutRefused(OLDER.context, [ghost]))).toBeUndefined();
  expect(found(withoutRefused(OLDER.context, [beside]))).toBe("regression");
});

test("a ghost of whose node a later version is covered stays covered", () => {
  const context = new Map([[A, 12]]);
  expect(withoutRefused(context, [ghost])).toEqual(context);
});
