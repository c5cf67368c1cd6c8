import type { KeyRecord, NodeId, Version } from "@hearsay/core";
import { expect, test } from "vitest";
import { Backlog } from "./backlog.ts";
import { EXCHANGE_LIMITS, recordBytes } from "./session.ts";

const NODE: NodeId = "a~0123456789";
const at = (time: number): Version => ({ time, node: NODE });
const record: KeyRecord = {
  context: new Map([[NODE, 9]]),
  siblings: [{ kind: "tombstone", version: at(9) }],
};
const readAt = { floor: 0, complete: true };

test("what is refused of one key in two answers is all told, together with the record in its place", () => {
  const backlog = new Backlog({ ...EXCHANGE_LIMITS, maxMessageBytes: 1 });
  backlog.push({ key: "first", record, readAt });
  backlog.push({ key: "k", record, readAt });
  backlog.refuse({ key: "k", versions: [at(5)] });
  backlog.refuse({ key: "k", versions: [at(6)] });
  backlog.refuse({ key: "nothing in its place", versions: [at(7)] });
  const first = { key: "first", record, readAt };
  expect(backlog.takeSends()).toEqual({ records: [first], refused: [] });
  expect(backlog.takeSends()).toEqual({
    records: [{ key: "k", record, readAt }],
    refused: [{ key: "k", versions: [at(5), at(6)] }],
  });
  const alone = [{ key: "nothing in its place", versions: [at(7)] }];
  expect([backlog.size, backlog.takeSends()]).toEqual([1, { records: [], refused: alone }]);
  expect([backlog.takeSends(), backlog.size]).toEqual([{ records: [], refused: [] }, 0]);
});

test("a key that is found twice counts once for the bound", () => {
  const size = recordBytes("k", record);
  const backlog = new Backlog({ ...EXCHANGE_LIMITS, maxMessageBytes: size + 1 });
  for (let i = 0; i < 3; i++) backlog.push({ key: "k", record, readAt });
  expect(backlog.isLarge).toBe(false);
  backlog.refuse({ key: "k", versions: [at(5)] });
  expect(backlog.isLarge).toBe(true);
  backlog.takeSends();
  expect(backlog.isLarge).toBe(false);
});

test("no more keys are taken at a time than a message may have records", () => {
  const backlog = new Backlog({ ...EXCHANGE_LIMITS, maxRecords: 2 });
  for (const key of ["1", "2", "3"]) backlog.push({ key, record, readAt });
  expect([backlog.takeSends(), backlog.takeSends()].map(({ records }) => records.length)).toEqual([2, 1]);
});
