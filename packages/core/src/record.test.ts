import { describe, expect, test } from "vitest";
import { hlcFromMs } from "./clock.ts";
import {
  CLIENT_CONTEXT_MAX_ENTRIES,
  EMPTY_CLIENT_CONTEXT,
  formatClientContext,
  parseClientContext,
} from "./context.ts";
import {
  applyWrite,
  boundSiblings,
  contextAfterRead,
  contextAfterWrite,
  holds,
  isLive,
  type KeyRecord,
  latestTime,
  mergeRecords,
  purgeableFrom,
  type Sibling,
  type Siblings,
  winner,
} from "./record.ts";

const A = "a~0000000000";
const B = "b~0000000000";

function tombstone(time: number, node = A): Sibling {
  return { kind: "tombstone", version: { time, node } };
}

function value(time: number, expiresAtMs: number | null = null, node = A): Sibling {
  const bytes = Uint8Array.from([time % 256]);
  return { kind: "value", version: { time, node }, bytes, contentType: "text/plain", expiresAtMs };
}

function recordOf(...siblings: Siblings): KeyRecord {
  return { context: new Map(siblings.map(({ version }) => [version.node, version.time])), siblings };
}

function times(record: KeyRecord | undefined): number[] | undefined {
  return record?.siblings.map((sibling) => sibling.version.time);
}

// The case of the DVVSet paper, section 2: with plain version vectors it grows to 100 siblings.
test("two clients that interleave 50 writes each with stale contexts leave 2 siblings", () => {
  let record: KeyRecord | undefined;
  const contexts = [EMPTY_CLIENT_CONTEXT, EMPTY_CLIENT_CONTEXT];
  for (let write = 1; write <= 100; write++) {
    const client = write % 2;
    const seen = contexts[client] ?? EMPTY_CLIENT_CONTEXT;
    record = applyWrite(record, tombstone(write), seen);
    contexts[client] = contextAfterWrite(record, seen);
  }
  expect(times(record)).toEqual([100, 99]);
});

describe("a write", () => {
  const two = applyWrite(applyWrite(undefined, value(1), undefined), value(2, null, B), EMPTY_CLIENT_CONTEXT);

  test("without a context covers all that is held", () => {
    expect(times(two)).toEqual([2, 1]);
    expect(times(applyWrite(two, value(3), undefined))).toEqual([3]);
  });

  test("with the context of a reader covers just what the reader saw", () => {
    const reader = contextAfterRead(recordOf(value(1)));
    expect(times(applyWrite(two, value(3), reader))).toEqual([3, 2]);
    expect(times(applyWrite(two, value(3), contextAfterRead(two)))).toEqual([3]);
    expect(times(applyWrite(two, value(3), EMPTY_CLIENT_CONTEXT))).toEqual([3, 2, 1]);
  });

  test("with the context of a read elsewhere covers what has not arrived here yet", () => {
    const elsewhere = recordOf(value(5, null, B));
    const written = applyWrite(undefined, value(6), contextAfterRead(elsewhere));
    expect(times(mergeRecords(written, elsewhere))).toEqual([6]);
  });

  test("that is alone afterwards tells its writer that it has seen everything", () => {
    const record = applyWrite(two, value(3), contextAfterRead(two));
    expect(contextAfterWrite(record, contextAfterRead(two))).toEqual({
      vector: record.context,
      dot: undefined,
    });
  });
});

describe("what a client carries", () => {
  const wide: KeyRecord = {
    context: new Map(Array.from({ length: 200 }, (_, i) => [`n${i}~0000000000`, 1000 + i])),
    siblings: [tombstone(1003, "n3~0000000000"), tombstone(1000, "n0~0000000000")],
  };

  test("is bounded, keeps the siblings' entries first, and goes there and back", () => {
    const context = contextAfterRead(wide);
    expect(context.vector.size).toBe(CLIENT_CONTEXT_MAX_ENTRIES);
    expect([...context.vector.values()].slice(0, 3)).toEqual([1003, 1000, 1199]);
    expect(parseClientContext(formatClientContext(context))).toEqual(context);
    expect(times(applyWrite(wide, tombstone(5000), context))).toEqual([5000]);
  });

  test("stays usable after a write beside which something was left", () => {
    const seen = contextAfterRead(wide);
    const raced = applyWrite(wide, tombstone(4000, B), EMPTY_CLIENT_CONTEXT);
    const after = contextAfterWrite(applyWrite(raced, tombstone(5000), seen), seen);
    expect(after.dot).toEqual({ time: 5000, node: A });
    expect(parseClientContext(formatClientContext(after))).toEqual(after);
  });
});

describe("merging", () => {
  test("returns the very same record when the other brings nothing", () => {
    const newer = applyWrite(recordOf(value(1)), value(2), undefined);
    expect(mergeRecords(newer, recordOf(value(1)))).toBe(newer);
    expect(mergeRecords(newer, newer)).toBe(newer);
  });

  test("never empties a record, not even for two that cannot have come from one history", () => {
    const a: KeyRecord = { context: new Map([[A, 9]]), siblings: [tombstone(3)] };
    const b: KeyRecord = { context: new Map([[A, 9]]), siblings: [tombstone(4)] };
    expect(times(mergeRecords(a, b))).toEqual([4]);
    expect(times(mergeRecords(b, a))).toEqual([4]);
  });
});

describe("bounding", () => {
  const three = recordOf(value(3), value(2, null, B), value(1, null, "c~0000000000"));

  test("keeps the newest, returns what falls off, and leaves a record alone that fits", () => {
    const { record, dropped } = boundSiblings(three, 2);
    expect(times(record)).toEqual([3, 2]);
    expect(dropped.map((sibling) => sibling.version.time)).toEqual([1]);
    expect(boundSiblings(three, 3)).toEqual({ record: three, dropped: [] });
  });

  test("does not let what fell off come back", () => {
    expect(times(mergeRecords(boundSiblings(three, 1).record, three))).toEqual([3]);
    expect(times(mergeRecords(three, boundSiblings(three, 1).record))).toEqual([3]);
  });
});

describe("reading", () => {
  test("shows the newest sibling, whatever its kind", () => {
    expect(winner(recordOf(tombstone(2), value(1, null, B))).kind).toBe("tombstone");
  });

  test("holds exactly the sibling versions", () => {
    const record = recordOf(tombstone(2), value(1, null, B));
    expect(holds(record, { time: 2, node: A })).toBe(true);
    expect(holds(record, { time: 1, node: A })).toBe(false);
    expect(latestTime({ ...record, context: new Map([[B, 7]]) })).toBe(7);
  });

  test("treats a value as deleted from the millisecond of its expiry on", () => {
    expect(isLive(value(1, 1000), 999)).toBe(true);
    expect(isLive(value(1, 1000), 1000)).toBe(false);
    expect(isLive(value(1), Number.MAX_SAFE_INTEGER)).toBe(true);
    expect(isLive(tombstone(1), 0)).toBe(false);
  });
});

describe("a record may be purged", () => {
  test("never while one sibling lives for good, also beside a tombstone", () => {
    expect(purgeableFrom(recordOf(value(1)))).toBeUndefined();
    expect(purgeableFrom(recordOf(tombstone(2), value(1, null, B)))).toBeUndefined();
  });

  test("from the latest of its tombstones", () => {
    expect(purgeableFrom(recordOf(tombstone(5), tombstone(4, B)))).toBe(5);
  });

  test("from the latest expiry, or from its write when that came later", () => {
    expect(purgeableFrom(recordOf(value(5, 10)))).toBe(hlcFromMs(10));
    expect(purgeableFrom(recordOf(tombstone(hlcFromMs(20)), value(5, 10, B)))).toBe(hlcFromMs(20));
    expect(purgeableFrom(recordOf(value(hlcFromMs(20), 10)))).toBe(hlcFromMs(20));
  });
});
