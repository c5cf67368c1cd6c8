import { EMPTY_CLIENT_CONTEXT, encodeUtf8, type KeyRecord, type Sibling, type Siblings } from "@hearsay/core";
import { describe, expect, test } from "vitest";
import { checkFinalStates, type FinalState } from "./final-checks.ts";
import { type Write, WriteLedger, wasGivenUpWrongly } from "./ledger.ts";
import { checkRecord } from "./record-checks.ts";

const A = "a~0000000000";
const B = "b~0000000000";
const NOW = { nowMs: 0, complete: true };

/** Two concurrent values, and a deletion that covers the first. */
function history() {
  const ledger = new WriteLedger();
  const issue = (
    node: string,
    time: number,
    text: string | undefined,
    seen: readonly [string, number][],
  ): Write => {
    const covered = { ...EMPTY_CLIENT_CONTEXT, vector: new Map(seen) };
    const write = ledger.issue({ key: "k", version: { time, node }, text, expiresAtMs: null, covered });
    if (write === undefined) throw new Error("issued twice");
    write.outcome = "acknowledged";
    return write;
  };
  const first = issue(A, 10, "one", []);
  const second = issue(B, 11, "two", []);
  return { ledger, first, second, deletion: issue(A, 20, undefined, [[A, 10]]), issue };
}

function siblingOf({ version, text }: Write): Sibling {
  return text === undefined
    ? { kind: "tombstone", version }
    : { kind: "value", version, bytes: encodeUtf8(text), contentType: "text/plain", expiresAtMs: null };
}

function untyped(sibling: Sibling): Sibling {
  return sibling.kind === "value" ? { ...sibling, contentType: "" } : sibling;
}

function recordOf(context: readonly [string, number][], first: Write, ...rest: Write[]): KeyRecord {
  const siblings: Siblings = [siblingOf(first), ...rest.map(siblingOf)];
  return { context: new Map(context), siblings };
}

describe("a record", () => {
  test("that is what merging makes of its writes is right", () => {
    const { ledger, first, second, deletion } = history();
    for (const record of [
      recordOf([[A, 10]], first),
      recordOf(
        [
          [A, 10],
          [B, 11],
        ],
        second,
        first,
      ),
      recordOf(
        [
          [A, 20],
          [B, 11],
        ],
        deletion,
        second,
      ),
    ]) {
      expect(checkRecord(ledger, "k", record, NOW)).toBeUndefined();
    }
  });

  test.each<[string, (given: ReturnType<typeof history>) => KeyRecord, string]>([
    [
      "nobody wrote",
      ({ first }) => recordOf([[A, 12]], { ...first, version: { time: 12, node: A } }),
      "invention",
    ],
    [
      "has lost a content type",
      ({ first }) => ({ context: new Map([[A, 10]]), siblings: [untyped(siblingOf(first))] }),
      "checksum",
    ],
    ["is not as written", ({ first }) => recordOf([[A, 10]], { ...first, text: "other" }), "checksum"],
    [
      "lacks a sibling that nothing covers",
      ({ deletion }) =>
        recordOf(
          [
            [A, 20],
            [B, 11],
          ],
          deletion,
        ),
      "siblings",
    ],
    [
      "shows what it has heard deleted",
      ({ deletion, first }) => recordOf([[A, 20]], deletion, first),
      "siblings",
    ],
    ["forgot a deletion it has heard of", ({ first }) => recordOf([[A, 20]], first), "resurrection"],
    ["does not cover what it holds", ({ first }) => recordOf([[B, 1]], first), "siblings"],
  ])("that %s is noticed", (_, make, invariant) => {
    const given = history();
    expect(checkRecord(given.ledger, "k", make(given), NOW)?.invariant).toBe(invariant);
  });

  test("shows again what a deletion covers that was undone, unless it holds the deletion", () => {
    const { ledger, first, deletion } = history();
    deletion.isUndone = true;
    expect(checkRecord(ledger, "k", recordOf([[A, 20]], first), NOW)).toBeUndefined();
    expect(checkRecord(ledger, "k", recordOf([[A, 20]], deletion, first), NOW)?.invariant).toBe("siblings");
  });

  test("that lacks a write somebody has forgotten is right only where it covers a later one of that node", () => {
    const { ledger, second, deletion } = history();
    second.isForgotten = true;
    const without = (b: number): KeyRecord =>
      recordOf(
        [
          [A, 20],
          [B, b],
        ],
        deletion,
      );
    expect(checkRecord(ledger, "k", without(10), NOW)).toBeUndefined();
    expect(checkRecord(ledger, "k", without(11), NOW)?.invariant).toBe("siblings");
    expect(checkRecord(ledger, "k", without(12), NOW)).toBeUndefined();
    second.isForgotten = false;
    expect(checkRecord(ledger, "k", without(12), NOW)?.invariant).toBe("siblings");
  });

  test("with a write that was refused as not done is noticed", () => {
    const { ledger, first } = history();
    first.outcome = "failed";
    expect(checkRecord(ledger, "k", recordOf([[A, 10]], first), NOW)?.invariant).toBe("invention");
  });
});

test("a version that is issued twice is not entered", () => {
  const { ledger, first } = history();
  expect(ledger.issue(first)).toBeUndefined();
});

test("what was on no disk when its node began another run may be issued again, and must not appear", () => {
  const { ledger, first, deletion } = history();
  const open = (time: number): Write | undefined =>
    ledger.issue({ ...first, version: { time, node: A }, text: "open" });
  const kept = open(30);
  const lost = open(40);
  if (kept === undefined || lost === undefined) throw new Error("issued twice");
  kept.wasHeld = true;
  expect(open(35)).toBeUndefined();
  ledger.restarted(A);
  expect([kept.outcome, lost.outcome, deletion.outcome]).toEqual(["open", "failed", "acknowledged"]);
  expect(checkRecord(ledger, "k", recordOf([[A, 40]], lost), NOW)?.invariant).toBe("invention");
  expect(open(30)).toBeUndefined();
  expect(open(40)).toBeDefined();
});

describe("in the end", () => {
  const state = (records: readonly [string, KeyRecord][], changes: Partial<FinalState> = {}): FinalState => ({
    replica: "n1",
    records: new Map(records),
    floor: 0,
    root: "r",
    nowMs: 0,
    ...changes,
  });
  const whole = ({ deletion, second }: ReturnType<typeof history>): KeyRecord =>
    recordOf(
      [
        [A, 20],
        [B, 11],
      ],
      deletion,
      second,
    );

  test("replicas that hold what was written are right", () => {
    const given = history();
    const records: [string, KeyRecord][] = [["k", whole(given)]];
    expect(checkFinalStates(given.ledger, [state(records), state(records, { replica: "n2" })])).toEqual([]);
  });

  test("a lost write is noticed, unless its last holder was lost, or it was purged in its time", () => {
    const { ledger, second } = history();
    const lost = (states: FinalState[]) => checkFinalStates(ledger, states).map(({ invariant }) => invariant);
    expect(lost([state([])])).toEqual(["durability", "durability", "durability"]);
    expect(lost([state([], { floor: 20 })])).toEqual(["durability"]);
    second.isExcused = true;
    expect(lost([state([], { floor: 20 })])).toEqual([]);
  });

  test("a deleted value that is back is noticed, though nobody remembers the deletion", () => {
    const { ledger, first, second } = history();
    second.isExcused = true;
    const back = state([["k", recordOf([[A, 10]], first)]], { floor: 20 });
    expect(checkFinalStates(ledger, [back]).map(({ invariant }) => invariant)).toEqual(["resurrection"]);
  });

  test("what was given up on the word of a replica that had forgotten it was so wrongly, unless something covers it", () => {
    const { first, second, deletion } = history();
    first.isForgotten = true;
    second.wasHeld = true;
    deletion.wasHeld = true;
    expect(wasGivenUpWrongly(first)).toBe(false);
    deletion.isExcused = true;
    expect(wasGivenUpWrongly(first)).toBe(true);
  });

  test("what covers it only in a write that never reached a disk was given up wrongly", () => {
    const { first, deletion } = history();
    first.isForgotten = true;
    deletion.outcome = "unknown";
    expect(wasGivenUpWrongly(first)).toBe(true);
    deletion.wasHeld = true;
    expect(wasGivenUpWrongly(first)).toBe(false);
  });

  test("what was deleted may be back when its deletion was undone, and not when it was deleted once more", () => {
    const { ledger, first, second, deletion, issue } = history();
    second.isExcused = true;
    const back = state([["k", recordOf([[A, 10]], first)]], { floor: 30 });
    const found = (): string[] => checkFinalStates(ledger, [back]).map(({ invariant }) => invariant);
    deletion.isUndone = true;
    expect(found()).toEqual([]);
    issue(B, 30, undefined, [[A, 10]]);
    expect(found()).toEqual(["resurrection"]);
  });

  test("replicas that differ, and roots that do not say so, are noticed", () => {
    const given = history();
    given.second.isExcused = true;
    const records: [string, KeyRecord][] = [["k", whole(given)]];
    const empty = state([], { replica: "n2", floor: 20 });
    const found = checkFinalStates(given.ledger, [state(records, { floor: 20 }), empty]);
    expect(found.map(({ invariant }) => invariant)).toEqual(["convergence", "root"]);
  });
});
