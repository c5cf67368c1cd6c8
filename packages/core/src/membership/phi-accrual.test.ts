import { describe, expect, test } from "vitest";
import {
  PHI_ACCRUAL_DEFAULTS,
  PHI_MAX,
  PhiAccrual,
  type PhiAccrualConfig,
  phi,
  validatePhiAccrualConfig,
} from "./phi-accrual.ts";

test("φ rises with the silence and stays a number", () => {
  let last = -1;
  for (let elapsedMs = 0; elapsedMs <= 20_000; elapsedMs += 50) {
    const value = phi(elapsedMs, 1_000, 100);
    expect(value).toBeGreaterThanOrEqual(last);
    expect(value).toBeLessThanOrEqual(PHI_MAX);
    last = value;
  }
  expect(last).toBe(PHI_MAX);
});

describe("a detector", () => {
  const detectorOf = (changes: Partial<PhiAccrualConfig> = {}): PhiAccrual =>
    new PhiAccrual({ ...PHI_ACCRUAL_DEFAULTS, acceptablePauseMs: 0, ...changes });
  const beats = (detector: PhiAccrual, gapMs: number, count: number, fromMs = 0): number => {
    for (let i = 0; i <= count; i++) detector.heard("a", fromMs + i * gapMs);
    return fromMs + count * gapMs;
  };

  test("knows nothing of a peer never heard or forgotten", () => {
    const detector = detectorOf();
    expect(detector.phi("a", 0)).toBeUndefined();
    detector.heard("a", 0);
    detector.forget("a");
    expect(detector.phi("a", 0)).toBeUndefined();
  });

  test("expects of a new peer the first guess", () => {
    const detector = detectorOf();
    detector.heard("a", 0);
    expect(detector.phi("a", 1_000)).toBeCloseTo(0.3, 1);
  });

  test("learns the rhythm: what is a long silence for one peer is none for another", () => {
    const quick = detectorOf();
    const slow = detectorOf();
    expect(quick.phi("a", beats(quick, 200, 300) + 1_000)).toBeGreaterThan(8);
    expect(slow.phi("a", beats(slow, 5_000, 300) + 1_000)).toBeLessThan(0.1);
  });

  test("follows a change of load within its window, and no longer remembers the time before", () => {
    const detector = detectorOf({ windowSize: 20 });
    const changed = beats(detector, 200, 50);
    const settled = beats(detector, 2_000, 20, changed + 2_000);
    const fresh = detectorOf({ windowSize: 20 });
    const end = beats(fresh, 2_000, 50);
    expect(detector.phi("a", settled + 2_100)).toBeCloseTo(fresh.phi("a", end + 2_100) ?? -1, 6);
  });

  test("forgives a pause it was told to accept", () => {
    const detector = detectorOf({ acceptablePauseMs: 3_000 });
    const end = beats(detector, 1_000, 300);
    expect(detector.phi("a", end + 3_500)).toBeLessThan(0.1);
    expect(detector.phi("a", end + 5_000)).toBeGreaterThan(8);
  });

  test("takes a burst for one arrival", () => {
    const detector = detectorOf();
    let end = 0;
    for (let second = 0; second < 100; second++) {
      end = second * 1_000;
      for (let i = 0; i < 40; i++) detector.heard("a", end + i);
    }
    expect(detector.phi("a", end + 1_000)).toBeLessThan(1);
  });

  test("watches a bounded number of peers; the one heard longest ago gives way", () => {
    const detector = detectorOf({ peersMax: 2 });
    detector.heard("a", 0);
    detector.heard("b", 1);
    detector.heard("a", 1_000);
    detector.heard("c", 1_001);
    expect(detector.phi("b", 1_001)).toBeUndefined();
    expect(detector.phi("a", 1_001)).toBeDefined();
    expect(detector.evicted).toBe(1);
  });
});

test.each<[keyof PhiAccrualConfig, number]>([
  ["windowSize", 1],
  ["minStdDeviationMs", 0],
  ["acceptablePauseMs", -1],
  ["firstGapMs", Number.NaN],
])("a %s of %f is refused", (knob, value) => {
  expect(validatePhiAccrualConfig(PHI_ACCRUAL_DEFAULTS)).toEqual([]);
  const faults = validatePhiAccrualConfig({ ...PHI_ACCRUAL_DEFAULTS, [knob]: value });
  expect(faults.map((fault) => fault.knob)).toEqual([knob]);
});
