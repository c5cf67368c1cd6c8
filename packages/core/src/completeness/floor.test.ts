import fc from "fast-check";
import { expect, test } from "vitest";
import { hlcFromMs } from "../clock.ts";
import { floorAhead, floorUnder, watermarkFor } from "./floor.ts";

const HOUR = hlcFromMs(3_600_000);
const time = fc.integer({ min: 0, max: Number.MAX_SAFE_INTEGER - 2 * HOUR });
const retention = fc.oneof(fc.integer({ min: 0, max: 100 }), fc.integer({ min: 0, max: HOUR }));

test("the floor of a watermark trails it by the retention and less than ten seconds and an eighth more, and never falls", () => {
  fc.assert(
    fc.property(time, fc.nat(HOUR), retention, (watermark, later, kept) => {
      const floor = floorUnder(watermark, kept);
      expect(floor).toBeLessThanOrEqual(Math.max(0, watermark - kept));
      expect(watermark - kept - floor).toBeLessThan(Math.max(1, Math.min(hlcFromMs(10_000), kept / 8)));
      expect(floorUnder(watermark + later, kept)).toBeGreaterThanOrEqual(floor);
    }),
  );
});

test("the watermark for a time is the least whose floor reaches it", () => {
  fc.assert(
    fc.property(time, retention, (wanted, kept) => {
      const watermark = watermarkFor(wanted, kept);
      expect(floorUnder(watermark, kept)).toBeGreaterThanOrEqual(wanted);
      if (wanted > 0) expect(floorUnder(watermark - 1, kept)).toBeLessThan(wanted);
    }),
  );
});

test("the floor that a cluster may come to is above any of a watermark within a step's time, and not below where it is", () => {
  fc.assert(
    fc.property(time, retention, (now, kept) => {
      const step = Math.max(1, Math.min(hlcFromMs(10_000), Math.floor(kept / 8)));
      const ahead = floorAhead(0, now, kept);
      expect(ahead).toBeGreaterThanOrEqual(floorUnder(now + step, kept));
      expect(ahead).toBeLessThanOrEqual(Math.max(0, now + step - kept));
      expect(floorAhead(ahead + 1, now, kept)).toBe(ahead + 1);
    }),
  );
});

test("a floor of an hour's retention moves every ten seconds", () => {
  const start = hlcFromMs(1_750_000_000_000);
  const floors = new Set<number>();
  for (let second = 0; second < 60; second++) floors.add(floorUnder(start + hlcFromMs(1000 * second), HOUR));
  expect(floors.size).toBe(6);
});
