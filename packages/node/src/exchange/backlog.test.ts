import type { KeyRecord, NodeId, Version } from "@hearsay/core";
import { expect, test } from "vitest";
import { Backlog } from "./backlog.ts";
import { EXCHANGE_LIMITS } from "./session.ts";

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
  expect(backlog.takePushes().map(({ key }) => key)).toEqual(["first"]);
  expect(backlog.takeRefused()).toEqual([{ key: "nothing in its place", versions: [at(7)] }]);
  expect(backlog.takePushes().map(({ key }) => key)).toEqual(["k"]);
  expect(backlog.takeRefused()).toEqual([{ key: "k", versions: [at(5), at(6)] }]);
  expect([backlog.takeRefused(), backlog.size]).toEqual([[], 0]);
});
