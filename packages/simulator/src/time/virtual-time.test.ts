import { setImmediate } from "node:timers/promises";
import fc from "fast-check";
import { expect, test } from "vitest";
import { VirtualTime } from "./virtual-time.ts";

const virtualTime = (): VirtualTime => new VirtualTime(() => setImmediate());

test("timers fire in the order of their times, and of their making where those are equal", async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(fc.nat(20), { maxLength: 60 }), async (delays) => {
      const time = virtualTime();
      const fired: (readonly [number, number])[] = [];
      for (const [i, ms] of delays.entries()) time.after(ms, () => fired.push([ms, i]));
      await time.advance(20);
      expect(fired).toEqual(delays.map((ms, i) => [ms, i] as const).sort(([a, i], [b, j]) => a - b || i - j));
      expect(time.fired).toBe(delays.length);
    }),
    { numRuns: 50 },
  );
});

test("all that a timer made possible has happened before the next one fires", async () => {
  const time = virtualTime();
  const seen: string[] = [];
  time.after(1, () => {
    void (async () => {
      for (let i = 0; i < 20; i++) await Promise.resolve();
      seen.push("after the first");
    })();
  });
  time.after(1, () => seen.push("second"));
  await time.advance(1);
  expect(seen).toEqual(["after the first", "second"]);
});

test("a timer that was taken back does not fire, and one that is made meanwhile does when it is due", async () => {
  const time = virtualTime();
  const seen: number[] = [];
  const cancel = time.after(5, () => seen.push(-1));
  time.after(2, () => {
    cancel();
    time.after(4, () => seen.push(time.monotonicMs()));
    time.after(400, () => seen.push(-2));
  });
  await time.advance(10);
  expect(seen).toEqual([6]);
  expect(time.monotonicMs()).toBe(10);
});

test("what does not come to hold in time is an error that says what", async () => {
  const time = virtualTime();
  await time.until("half a second has passed", () => time.monotonicMs() >= 500, 1000);
  await expect(time.until("never", () => false, 200)).rejects.toThrow("not within 200 ms: never");
});
