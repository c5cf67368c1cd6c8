import { expect, test } from "vitest";
import { RefusalLog } from "./refusal-log.ts";

test("each code is logged at most once an interval, and every refusal is counted", () => {
  const lines: unknown[] = [];
  const log = {
    info: () => undefined,
    error: () => undefined,
    warn: (_: string, facts: unknown) => lines.push(facts),
  };
  let nowMs = 0;
  const refusals = new RefusalLog(log, "peer_message_refused", 1000, () => nowMs);
  for (let i = 0; i < 100; i++) refusals.note("replayed", "10.0.0.1");
  refusals.note("bad_message", "10.0.0.1");
  nowMs = 1000;
  refusals.note("replayed", "10.0.0.2");
  expect(lines).toEqual([
    { code: "replayed", peer: "10.0.0.1", count: 1 },
    { code: "bad_message", peer: "10.0.0.1", count: 1 },
    { code: "replayed", peer: "10.0.0.2", count: 100 },
  ]);
  expect([...refusals.counts()]).toEqual([
    ["replayed", 101],
    ["bad_message", 1],
  ]);
});
