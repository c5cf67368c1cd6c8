import { describe, expect, it } from "vitest";
import { watchLag } from "./lag.ts";

describe("the lag of the event loop", () => {
  it("is seen when something blocks it, and is gone afterwards", async () => {
    const seen: number[] = [];
    let wake: (() => void) | undefined;
    const stop = watchLag((lagMs) => {
      seen.push(lagMs);
      wake?.();
    });
    const sample = (): Promise<void> =>
      new Promise((resolve) => {
        wake = resolve;
      });
    await sample();
    const until = performance.now() + 300;
    while (performance.now() < until) Math.sqrt(until);
    await sample();
    expect(Math.max(...seen)).toBeGreaterThan(100);
    stop();
  });
});
