import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { DURATION_MAX_MS, formatDurationMs, parseDurationMs } from "./durations.ts";

describe("durations", () => {
  it.each([
    ["0ms", 0],
    ["250ms", 250],
    ["30s", 30_000],
    ["1.5h", 5_400_000],
    ["5m", 300_000],
    ["7d", 604_800_000],
    ["0.1ms", 1],
  ])("reads %s as %d ms", (text, ms) => {
    expect(parseDurationMs(text)).toBe(ms);
  });

  it.each(["", "5", "s", "-1s", "1 s", "1S", "1e3s", "1s1s", "1.s", ".5s", "999999999999999d", "٣s"])(
    "refuses %j",
    (text) => {
      expect(parseDurationMs(text)).toBeUndefined();
    },
  );

  it("writes what it reads back unchanged", () => {
    fc.assert(
      fc.property(fc.integer({ min: 0, max: DURATION_MAX_MS }), (ms) => {
        expect(parseDurationMs(formatDurationMs(ms))).toBe(ms);
      }),
    );
    expect(formatDurationMs(90_000)).toBe("90s");
    expect(formatDurationMs(60_000)).toBe("1m");
  });
});
