import fc from "fast-check";
import { expect, it } from "vitest";
import { HeldTimers } from "../testing/held-timers.ts";
import { CREDIT_MS, Pace, QUIET_MS, QUIET_REST_FACTOR, REST_FACTOR, SLICE_MS, type Teller } from "./pace.ts";

const costs = fc.array(fc.double({ min: 0.01, max: 40, noNaN: true }), { minLength: 1, maxLength: 30 });

const CASES = [
  { name: "a fifth", isWritten: true, share: 1 / (1 + REST_FACTOR) },
  { name: "half, while nobody writes,", isWritten: false, share: 1 / (1 + QUIET_REST_FACTOR) },
] as const;

/** Has something to tell without end; every step takes as long as the next of the costs says. */
function endless(timers: HeldTimers, steps: readonly number[], late: number, onSlice: () => void): Teller {
  let at = 0;
  return {
    tell(isOver) {
      onSlice();
      do {
        timers.take(steps[at++ % steps.length] ?? 1);
      } while (!isOver());
      queueMicrotask(() => timers.take(late));
      return true;
    },
  };
}

it.each(CASES)("tells for no more than $name of the time, whatever there is to tell", async (taken) => {
  await fc.assert(
    fc.asyncProperty(costs, fc.nat(5), async (steps, late) => {
      const timers = new HeldTimers();
      const pace = new Pace(timers);
      const longest = SLICE_MS + Math.max(...steps) + late;
      let [tellingMs, beganMs] = [0, 0];
      const slow = endless(timers, steps, late, () => {
        // All slices before this one and their rests are over.
        if (taken.isWritten) pace.written();
        const most = taken.share * timers.monotonicMs() + (1 - taken.share) * CREDIT_MS;
        expect(tellingMs).toBeLessThanOrEqual(most + 1e-6);
        beganMs = timers.monotonicMs();
        queueMicrotask(() => {
          queueMicrotask(() => {
            tellingMs += timers.monotonicMs() - beganMs;
            expect(timers.monotonicMs() - beganMs).toBeLessThanOrEqual(longest);
          });
        });
      });
      for (let i = 0; i < 100; i++) {
        if (taken.isWritten) pace.written();
        pace.add(slow);
        await timers.pass(QUIET_MS / 5);
      }
      expect(tellingMs).toBeGreaterThan(0);
    }),
    { numRuns: 50 },
  );
});

it.each([1, 50])(
  "keeps its share when %i have little each, and something new all the time",
  async (count) => {
    const timers = new HeldTimers();
    const pace = new Pace(timers);
    let tellingMs = 0;
    const tell = (): boolean => {
      const share = 1 / (1 + REST_FACTOR);
      expect(tellingMs).toBeLessThanOrEqual(share * timers.monotonicMs() + CREDIT_MS);
      timers.take(3);
      tellingMs += 3;
      return false;
    };
    const tellers = Array.from({ length: count }, (): Teller => ({ tell }));
    for (let i = 0; i < 300; i++) {
      pace.written();
      for (const teller of tellers) pace.add(teller);
      await timers.pass(1);
    }
    expect(tellingMs).toBeGreaterThan(30);
  },
);

it("does not hold up what comes behind one slice that took long", async () => {
  const timers = new HeldTimers();
  const pace = new Pace(timers);
  const toldMs: number[] = [];
  const takes = (ms: number): Teller => ({
    tell: () => {
      toldMs.push(timers.monotonicMs());
      timers.take(ms);
      return false;
    },
  });
  await timers.pass(1_000);
  pace.written();
  pace.add(takes(CREDIT_MS));
  await timers.pass(1);
  const beganMs = timers.monotonicMs();
  pace.add(takes(1));
  await timers.pass(1);
  expect(toldMs[1]).toBe(beganMs);
  pace.add(takes(0));
  await timers.pass(REST_FACTOR);
  expect(toldMs[2]).toBeGreaterThanOrEqual(beganMs + 1 + REST_FACTOR - 1);
});

it("gives everyone a turn, and tells at once after a pause", async () => {
  const timers = new HeldTimers();
  const pace = new Pace(timers);
  pace.add(endless(timers, [10], 0, () => undefined));
  let toldMs = 0;
  const small: Teller = {
    tell: () => {
      toldMs = timers.monotonicMs();
      return false;
    },
  };
  await timers.pass(1_000);
  const beganMs = timers.monotonicMs();
  pace.add(small);
  await timers.pass(1_000);
  expect(toldMs - beganMs).toBeLessThanOrEqual(2 * 10 * (1 + REST_FACTOR));

  const idle = new Pace(timers);
  idle.add(small);
  await timers.pass(1);
  expect(toldMs).toBe(timers.monotonicMs() - 1);
});
