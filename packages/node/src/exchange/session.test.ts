import {
  encodeUtf8,
  HLC_TIME_MAX,
  type KeyRecord,
  recordToTuple,
  type Sibling,
  type Siblings,
} from "@hearsay/core";
import fc from "fast-check";
import { expect, test } from "vitest";
import { differInSiblings, recordBytes } from "./session.ts";

/** Bytes of a value in MessagePack: a header that says the length, and for numbers the smallest form that holds them. */
function packedBytes(value: unknown): number {
  if (value === null) return 1;
  if (typeof value === "number")
    return value < 128 ? 1 : value < 256 ? 2 : value < 65_536 ? 3 : value < 2 ** 32 ? 5 : 9;
  if (typeof value === "string") return withHeader(encodeUtf8(value).length, 31, 255);
  if (value instanceof Uint8Array) return withHeader(value.length, -1, 255);
  if (!Array.isArray(value)) throw new Error(`not in a record: ${typeof value}`);
  return value.reduce(
    (sum: number, item) => sum + packedBytes(item),
    withHeader(value.length, 15, -1) - value.length,
  );
}

function withHeader(length: number, inOneByte: number, inTwo: number): number {
  const header = length <= inOneByte ? 1 : length <= inTwo ? 2 : length < 65_536 ? 3 : 5;
  return header + length;
}

const record = fc
  .record({
    nodes: fc.uniqueArray(fc.stringMatching(/^[a-z]{1,63}$/), { minLength: 1, maxLength: 40 }),
    contentType: fc.string({ maxLength: 255 }),
    bytes: fc.uint8Array({ maxLength: 400 }),
    expiresAtMs: fc.option(fc.maxSafeNat()),
    tombstones: fc.boolean(),
  })
  .map(({ nodes, contentType, bytes, expiresAtMs, tombstones }): KeyRecord => {
    const siblings = nodes.map((name, i): Sibling => {
      const version = { time: HLC_TIME_MAX - i, node: `${name}~0123456789` };
      return tombstones
        ? { kind: "tombstone", version }
        : { kind: "value", version, contentType, bytes, expiresAtMs };
    });
    const [first, ...rest] = siblings;
    if (first === undefined) throw new Error("there is at least one");
    const all: Siblings = [first, ...rest];
    return { context: new Map(all.map(({ version }) => [version.node, version.time])), siblings: all };
  });

test("what a record is taken to cost in a message is at least what it costs, and not far above", () => {
  fc.assert(
    fc.property(fc.string({ minLength: 1, maxLength: 300, unit: "grapheme" }), record, (key, given) => {
      const packed = packedBytes([encodeUtf8(key), recordToTuple(given)]);
      expect(recordBytes(key, given)).toBeGreaterThanOrEqual(packed);
      expect(recordBytes(key, given)).toBeLessThanOrEqual(3 * packed + 60);
    }),
    { numRuns: 500 },
  );
});

test("a record that holds less than what was sent differs from it as one that holds more does", () => {
  const of = (...names: readonly string[]): KeyRecord => {
    const [first, ...rest] = names.map(
      (name): Sibling => ({ kind: "tombstone", version: { time: 5, node: `${name}~0123456789` } }),
    );
    if (first === undefined) throw new Error("there is at least one");
    return { context: new Map(), siblings: [first, ...rest] };
  };
  expect([differInSiblings(of("a", "b"), of("a")), differInSiblings(of("a"), of("a", "b"))]).toEqual([
    true,
    true,
  ]);
  expect(differInSiblings(of("a", "b"), of("b", "a"))).toBe(false);
});
