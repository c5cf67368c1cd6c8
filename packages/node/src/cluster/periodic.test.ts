import { expect, test } from "vitest";
import { RepeatLog } from "../repeat-log.ts";
import { EventLog } from "./event-log.contract.ts";
import { ManualTimers } from "./manual-timers.contract.ts";
import { Periodic } from "./periodic.ts";

test("a task comes less often while its pauses are stretched, and as often as before afterwards", async () => {
  const timers = new ManualTimers();
  const periodic = new Periodic(timers, new RepeatLog(new EventLog(), 0, () => 0));
  let stretch = 1;
  let runs = 0;
  periodic.every(
    100,
    async () => {
      runs += 1;
    },
    () => stretch,
  );
  const during = async (ms: number): Promise<number> => {
    const before = runs;
    await timers.advance(ms);
    return runs - before;
  };
  expect(await during(1000)).toBe(10);
  stretch = 2;
  // The pause that was under way is an ordinary one.
  expect(await during(1000)).toBe(5);
  stretch = 1;
  expect(await during(1000)).toBeGreaterThanOrEqual(9);
  periodic.stop();
  expect([await during(1000), timers.armed]).toEqual([0, 0]);
});

test("a task that fails is logged, and repeated", async () => {
  const timers = new ManualTimers();
  const log = new EventLog();
  const periodic = new Periodic(timers, new RepeatLog(log, 0, () => 0));
  let runs = 0;
  periodic.every(100, async () => {
    runs += 1;
    throw new Error("once more");
  });
  await timers.advance(300);
  expect([runs, log.of("periodic_task_failed").length]).toEqual([3, 3]);
  periodic.stop();
});
