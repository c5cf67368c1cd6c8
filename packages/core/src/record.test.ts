import { expect, test } from "vitest";
import { EMPTY_CLIENT_CONTEXT } from "./context.ts";
import { applyWrite, contextAfterWrite, type KeyRecord } from "./record.ts";

// The case of the DVVSet paper, section 2: with plain version vectors it grows to 100 siblings.
test("two clients that interleave 50 writes each with stale contexts leave 2 siblings", () => {
  let record: KeyRecord | undefined;
  const contexts = [EMPTY_CLIENT_CONTEXT, EMPTY_CLIENT_CONTEXT];
  for (let write = 1; write <= 100; write++) {
    const client = write % 2;
    const seen = contexts[client] ?? EMPTY_CLIENT_CONTEXT;
    record = applyWrite(record, { kind: "tombstone", version: { time: write, node: "a~0000000000" } }, seen);
    contexts[client] = contextAfterWrite(record, seen);
  }
  expect(record?.siblings.map((sibling) => sibling.version.time)).toEqual([100, 99]);
});
