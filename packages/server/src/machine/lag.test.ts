import { describe, expect, it, vi } from "vitest";
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

  it("is measured less often while nothing is asked of the node", () => {
    vi.useFakeTimers();
    try {
      let isIdle = true;
      let seen = 0;
      const stop = watchLag(
        () => {
          seen += 1;
        },
        () => isIdle,
      );
      vi.advanceTimersByTime(5000);
      expect(seen).toBe(5);
      // Something else than requests holds the node up: it looks again soon.
      vi.spyOn(performance, "now").mockReturnValueOnce(performance.now() + 500);
      vi.advanceTimersByTime(200);
      expect(seen).toBe(7);
      isIdle = false;
      vi.advanceTimersByTime(5000);
      expect(seen).toBeGreaterThan(40);
      stop();
    } finally {
      vi.restoreAllMocks();
      vi.useRealTimers();
    }
  });
});
