import { expect, test } from "vitest";
import { EventLog } from "./cluster/event-log.contract.ts";
import { PeerFault } from "./peer-fault.ts";
import { faultCodeOf, RepeatLog } from "./repeat-log.ts";

function open(): { readonly log: EventLog; readonly repeats: RepeatLog; pass(ms: number): void } {
  const log = new EventLog();
  let nowMs = 0;
  const repeats = new RepeatLog(log, 1000, () => nowMs);
  return {
    log,
    repeats,
    pass: (ms) => {
      nowMs += ms;
    },
  };
}

test("what happens over and over is written once an interval, with how often it happened", () => {
  const { log, repeats, pass } = open();
  for (let i = 0; i < 100; i++) repeats.failed("exchange_failed", new PeerFault({ code: "busy" }), "b");
  repeats.failed("exchange_failed", new PeerFault({ code: "busy" }), "c");
  repeats.failed("exchange_failed", new PeerFault({ code: "timeout" }), "b");
  pass(1000);
  repeats.failed("exchange_failed", new PeerFault({ code: "busy" }), "b");
  expect(
    log.lines.map(({ level, fields }) => [level, fields["peer"], fields["code"], fields["count"]]),
  ).toEqual([
    ["warn", "b", "busy", 1],
    ["warn", "c", "busy", 1],
    ["warn", "b", "timeout", 1],
    ["warn", "b", "busy", 100],
  ]);
});

test("no more is remembered than the bound", () => {
  const { log, repeats } = open();
  for (let i = 0; i < 1025; i++) repeats.note("e", { code: "busy" }, `p${i}`);
  repeats.note("e", { code: "busy" }, "p1024");
  expect(log.lines).toHaveLength(1025);
  repeats.note("e", { code: "busy" }, "p0");
  expect(log.lines).toHaveLength(1026);
});

test("an error without a reason of its own has no code", () => {
  expect([new Error("x"), "x", null].map((error) => faultCodeOf(error))).toEqual([
    undefined,
    undefined,
    undefined,
  ]);
  const full = Object.assign(new Error("full"), { fault: { code: "disk_full" } });
  expect(faultCodeOf(full)).toBe("disk_full");
});
