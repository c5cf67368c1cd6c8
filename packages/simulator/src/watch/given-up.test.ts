import { type Context, EMPTY_CLIENT_CONTEXT, encodeUtf8, type KeyRecord, type Sibling } from "@hearsay/core";
import { expect, test } from "vitest";
import { WriteLedger } from "../invariants/ledger.ts";
import { comingBack, regression, withoutRefused } from "./given-up.ts";

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

test("a value that was dropped comes back rightly only while nothing has replaced it", () => {
  const ledger = new WriteLedger();
  const version = { node: A, time: 10 };
  ledger.issue({ key: "k", version, text: "v", expiresAtMs: null, covered: EMPTY_CLIENT_CONTEXT });
  const value: Sibling = {
    kind: "value",
    version,
    bytes: encodeUtf8("v"),
    contentType: "text/plain",
    expiresAtMs: null,
  };
  const found = (): string | undefined =>
    comingBack(ledger, "k", recordOf([[A, 10]], value), {
      machine: "n1",
      nowMs: 0,
      seen: new Map([[A, 10]]),
      held: undefined,
    })?.invariant;
  expect(found()).toBeUndefined();
  const covered = { ...EMPTY_CLIENT_CONTEXT, vector: new Map([[A, 10]]) };
  const later = ledger.issue({
    key: "k",
    version: { node: B, time: 20 },
    text: undefined,
    expiresAtMs: null,
    covered,
  });
  if (later !== undefined) later.outcome = "acknowledged";
  expect(found()).toBe("resurrection");
});
