import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { Schedule, type Timing } from "./schedule.ts";

const TIMING: Timing = { minMs: 50, maxMs: 200, splayMs: 0, retryBaseMs: 100, retryCapMs: 1_000 };

function idleSchedule(timing: Partial<Timing> = {}, random: () => number = () => 0.5): Schedule {
  const schedule = new Schedule({ ...TIMING, ...timing }, random);
  schedule.step({ kind: "prefixes", are: "ready" }, 0);
  schedule.step({ kind: "finished", ok: true }, 0);
  return schedule;
}

describe("a schedule", () => {
  it("does nothing before every prefix is whole, and then runs at once", () => {
    const schedule = new Schedule({ ...TIMING, splayMs: 60_000 }, () => 0.9);
    expect(schedule.step({ kind: "changed" }, 0)).toBeUndefined();
    expect(schedule.step({ kind: "clock" }, 99_999)).toBeUndefined();
    expect(schedule.step({ kind: "prefixes", are: "not_ready" }, 100_000)).toBeUndefined();
    expect(schedule.step({ kind: "prefixes", are: "ready" }, 100_001)).toBe("run");
  });

  it("waits for the minimum after the latest change, and no longer than the maximum after the first", () => {
    const schedule = idleSchedule();
    schedule.step({ kind: "changed" }, 1_000);
    expect(schedule.wakeMs).toBe(1_050);
    for (let ms = 1_040; ms <= 1_180; ms += 40) schedule.step({ kind: "changed" }, ms);
    expect(schedule.wakeMs).toBe(1_200);
    expect(schedule.step({ kind: "clock" }, 1_199)).toBeUndefined();
    expect(schedule.step({ kind: "clock" }, 1_200)).toBe("run");
  });

  it("adds the splay once to a series of changes", () => {
    const schedule = idleSchedule({ splayMs: 10_000 }, () => 0.5);
    schedule.step({ kind: "changed" }, 0);
    schedule.step({ kind: "changed" }, 20);
    expect(schedule.wakeMs).toBe(5_070);
  });

  it("holds a change back while a prefix is not synced", () => {
    const schedule = idleSchedule();
    schedule.step({ kind: "changed" }, 0);
    schedule.step({ kind: "prefixes", are: "stale" }, 10);
    expect(schedule.step({ kind: "clock" }, 5_000)).toBeUndefined();
    expect(schedule.wakeMs).toBeUndefined();
    expect(schedule.step({ kind: "prefixes", are: "ready" }, 6_000)).toBe("run");
  });

  it("runs once from last good copies, and again after what changed since", () => {
    const schedule = new Schedule(TIMING, () => 0.5);
    expect(schedule.step({ kind: "prefixes", are: "stale" }, 0)).toBe("run");
    schedule.step({ kind: "finished", ok: true }, 10);
    schedule.step({ kind: "changed" }, 20);
    expect(schedule.step({ kind: "clock" }, 500)).toBeUndefined();
    expect(schedule.step({ kind: "prefixes", are: "ready" }, 600)).toBe("run");
  });

  it("runs again for what changed while it ran", () => {
    const schedule = idleSchedule();
    schedule.step({ kind: "changed" }, 0);
    expect(schedule.step({ kind: "clock" }, 50)).toBe("run");
    schedule.step({ kind: "changed" }, 60);
    schedule.step({ kind: "finished", ok: true }, 70);
    expect(schedule.state).toBe("due");
    expect(schedule.step({ kind: "clock" }, 110)).toBe("run");
    schedule.step({ kind: "finished", ok: true }, 120);
    expect(schedule).toMatchObject({ state: "idle", wakeMs: undefined });
  });

  it("repeats what failed, ever more rarely up to the cap, also while no node answers", () => {
    const schedule = idleSchedule({}, () => 0.999);
    schedule.step({ kind: "changed" }, 0);
    schedule.step({ kind: "clock" }, 50);
    const pauses: number[] = [];
    let nowMs = 50;
    for (let i = 0; i < 6; i++) {
      schedule.step({ kind: "finished", ok: false }, nowMs);
      schedule.step({ kind: "prefixes", are: "stale" }, nowMs);
      const wakeMs = schedule.wakeMs ?? Number.NaN;
      pauses.push(Math.round(wakeMs - nowMs));
      expect(schedule.step({ kind: "clock" }, wakeMs)).toBe("run");
      nowMs = wakeMs;
    }
    expect(pauses).toEqual([100, 200, 400, 799, 999, 999]);
    expect(schedule.failures).toBe(6);
    schedule.step({ kind: "finished", ok: true }, nowMs);
    expect(schedule.failures).toBe(0);
  });

  it("serves every change within the maximum, whatever comes in whatever order", () => {
    const inputs = fc.array(
      fc.tuple(fc.constantFrom("changed", "stale", "ready", "ok", "fail"), fc.integer({ min: 0, max: 120 })),
      { maxLength: 60 },
    );
    fc.assert(
      fc.property(
        inputs,
        fc.array(fc.double({ min: 0, max: 0.99, noNaN: true }), { minLength: 1 }),
        (steps, chances) => {
          let drawn = 0;
          const schedule = new Schedule(TIMING, () => chances[drawn++ % chances.length] ?? 0);
          let nowMs = 0;
          let running = false;
          let unserved = false;
          const seen = (effect: "run" | undefined): void => {
            if (effect === undefined) return;
            expect(running).toBe(false);
            running = true;
            unserved = false;
          };
          const pass = (untilMs: number): void => {
            while ((schedule.wakeMs ?? Number.POSITIVE_INFINITY) <= untilMs) {
              nowMs = Math.max(nowMs, schedule.wakeMs ?? nowMs);
              seen(schedule.step({ kind: "clock" }, nowMs));
            }
            nowMs = untilMs;
          };
          for (const [what, afterMs] of steps) {
            pass(nowMs + afterMs);
            if (what === "changed") {
              unserved = true;
              seen(schedule.step({ kind: "changed" }, nowMs));
            } else if (what === "stale" || what === "ready") {
              seen(schedule.step({ kind: "prefixes", are: what }, nowMs));
            } else if (running) {
              running = false;
              seen(schedule.step({ kind: "finished", ok: what === "ok" }, nowMs));
            }
          }
          seen(schedule.step({ kind: "prefixes", are: "ready" }, nowMs));
          if (running) {
            running = false;
            seen(schedule.step({ kind: "finished", ok: true }, nowMs));
          }
          pass(nowMs + TIMING.maxMs);
          expect(unserved).toBe(false);
        },
      ),
      { numRuns: 300 },
    );
  });
});
