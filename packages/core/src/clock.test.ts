import fc from "fast-check";
import { expect, test } from "vitest";
import { HLC_TIME_MAX, HybridLogicalClock, hlcFromMs, hlcToMs, isHlcTime } from "./clock.ts";

const MAX_DRIFT_MS = 10_000;
const START_MS = 1_750_000_000_000;

function clockFrom(durableBound: number): HybridLogicalClock {
  return new HybridLogicalClock({ durableBound, maxDriftMs: MAX_DRIFT_MS });
}

const step = fc.oneof(
  fc.record({ kind: fc.constant("tick" as const) }),
  fc.record({ kind: fc.constant("observe" as const), aheadMs: fc.integer({ min: -20_000, max: 20_000 }) }),
  fc.record({
    kind: fc.constant("wall clock moves" as const),
    byMs: fc.integer({ min: -30_000, max: 30_000 }),
  }),
  fc.record({ kind: fc.constant("crash" as const) }),
);

test("times issued are strictly increasing, across crashes and a wall clock that jumps", () => {
  fc.assert(
    fc.property(fc.array(step, { maxLength: 200 }), (steps) => {
      let nowMs = START_MS;
      let durable = 0;
      let clock = clockFrom(durable);
      let newest = 0;
      for (const action of steps) {
        if (action.kind === "tick") {
          const time = clock.tick(nowMs);
          expect(time).toBeGreaterThan(newest);
          expect(time).toBeGreaterThanOrEqual(hlcFromMs(nowMs));
          expect(isHlcTime(time)).toBe(true);
          newest = time;
        } else if (action.kind === "observe") {
          const before = { last: clock.last, bound: clock.bound };
          const remote = hlcFromMs(nowMs + action.aheadMs);
          const refused = clock.observe(remote, nowMs);
          if (action.aheadMs > MAX_DRIFT_MS) {
            expect(refused).toEqual({
              code: "clock_drift",
              aheadMs: action.aheadMs,
              maxDriftMs: MAX_DRIFT_MS,
            });
            expect({ last: clock.last, bound: clock.bound }).toEqual(before);
          } else {
            expect(refused).toBeUndefined();
            expect(clock.last).toBe(Math.max(before.last, remote));
            newest = clock.last;
          }
        } else if (action.kind === "wall clock moves") {
          nowMs += action.byMs;
        } else {
          clock = clockFrom(durable);
        }
        expect(clock.bound).toBeGreaterThanOrEqual(clock.last);
        // What is shown to anyone is shown after the bound was stored.
        if (clock.bound > durable) durable = clock.bound;
      }
    }),
    { numRuns: 500 },
  );
});

test("a stored bound serves many writes, so that few of them have to store another one", () => {
  const clock = clockFrom(0);
  const bounds = new Set<number>();
  for (let ms = 0; ms < 10_000; ms++) {
    clock.tick(START_MS + ms);
    bounds.add(clock.bound);
  }
  expect(bounds.size).toBeLessThanOrEqual(6);
});

test.each([0, 1_000, 5_000, MAX_DRIFT_MS - 1])(
  "a peer takes the times of a node that crashed and came back at once, %i ms ahead of the wall clock",
  (aheadMs) => {
    const clock = clockFrom(0);
    clock.tick(START_MS);
    expect(clock.observe(hlcFromMs(START_MS + aheadMs), START_MS)).toBeUndefined();
    const restarted = clockFrom(clock.bound);
    expect(clockFrom(0).observe(restarted.tick(START_MS), START_MS)).toBeUndefined();
  },
);

test("a time exactly as far ahead as allowed is taken, one a millisecond further is refused", () => {
  const clock = clockFrom(0);
  expect(clock.observe(hlcFromMs(START_MS + MAX_DRIFT_MS), START_MS)).toBeUndefined();
  expect(clock.observe(hlcFromMs(START_MS + MAX_DRIFT_MS + 1), START_MS)).toEqual({
    code: "clock_drift",
    aheadMs: MAX_DRIFT_MS + 1,
    maxDriftMs: MAX_DRIFT_MS,
  });
});

test("more writes in a millisecond than the counter holds run into the next one", () => {
  const clock = clockFrom(0);
  const times = Array.from({ length: 2049 }, () => clock.tick(START_MS));
  expect(hlcToMs(times[2047] ?? 0)).toBe(START_MS);
  expect(hlcToMs(times[2048] ?? 0)).toBe(START_MS + 1);
  expect(clock.tick(START_MS + 1)).toBe((times[2048] ?? 0) + 1);
});

test("milliseconds come back from a time until the year 2109", () => {
  expect(new Date(hlcToMs(HLC_TIME_MAX)).getUTCFullYear()).toBe(2109);
  fc.assert(
    fc.property(fc.nat(hlcToMs(HLC_TIME_MAX)), fc.nat(2047), (ms, counter) => {
      expect(hlcToMs(hlcFromMs(ms) + counter)).toBe(ms);
    }),
  );
});

test.each([-1, 0.5, HLC_TIME_MAX + 1, Number.NaN, "1", null, undefined, 1n])("%s is not a time", (value) => {
  expect(isHlcTime(value)).toBe(false);
});
