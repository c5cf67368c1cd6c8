import { expect, test } from "vitest";
import type { KeyRecord } from "./record.ts";
import { recordFromTuple, recordToTuple } from "./record-tuple.ts";

const a = "alpha~0000000000";
const b = "beta~1111111111";

const record: KeyRecord = {
  context: new Map([
    [a, 9],
    [b, 7],
  ]),
  siblings: [
    { kind: "tombstone", version: { time: 9, node: a } },
    {
      kind: "value",
      version: { time: 7, node: b },
      bytes: Uint8Array.of(1, 2, 3),
      contentType: "text/plain",
      expiresAtMs: 12,
    },
  ],
};

test("a record comes back as it was written", () => {
  expect(recordFromTuple(recordToTuple(record))).toEqual(record);
});

test("value bytes are copied, so a decoder's buffer may be used again", () => {
  const bytes = Uint8Array.of(5);
  const copy = recordFromTuple([[a, 1], [[0, 1, null, "x", bytes]]]);
  bytes[0] = 6;
  expect(copy?.siblings[0]).toMatchObject({ bytes: Uint8Array.of(5) });
});

test.each([
  ["no tuple", 7],
  ["no siblings", [[a, 1], []]],
  ["a node id that is none", [["alpha", 1], [[0, 1]]]],
  ["a node named twice", [[a, 1, a, 2], [[0, 1]]]],
  ["a time that is no safe integer", [[a, 2 ** 53], [[0, 2 ** 53]]]],
  ["a sibling the context does not cover", [[a, 1], [[0, 2]]]],
  ["a sibling of a node the context does not name", [[a, 1], [[1, 1]]]],
  [
    "siblings not newest first",
    [
      [a, 2],
      [
        [0, 1],
        [0, 2],
      ],
    ],
  ],
  [
    "one sibling twice",
    [
      [a, 2],
      [
        [0, 2],
        [0, 2],
      ],
    ],
  ],
  ["a value without bytes", [[a, 1], [[0, 1, null, "x", "text"]]]],
  ["an expiry that is no integer", [[a, 1], [[0, 1, 0.5, "x", Uint8Array.of()]]]],
])("a tuple with %s is refused", (_, tuple) => {
  expect(recordFromTuple(tuple)).toBeUndefined();
});
