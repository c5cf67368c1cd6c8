import { describe, expect, test } from "vitest";
import { LocalHealth } from "./local-health.ts";
import { Suspicion } from "./suspicion.ts";
import { SWIM_DEFAULTS } from "./swim-config.ts";

describe("a suspicion", () => {
  const start = (live: number): Suspicion => new Suspicion(SWIM_DEFAULTS, live, 0, "first", 100);

  test("ends after the longest time when nobody confirms it, and after the shortest when enough do", () => {
    const suspicion = start(10);
    expect(suspicion.deadlineMs).toBe(100 + 24_000);
    expect(suspicion.confirm("second")).toBe(true);
    expect(suspicion.deadlineMs).toBeGreaterThan(100 + 4_000);
    expect(suspicion.confirm("third")).toBe(true);
    expect(suspicion.deadlineMs).toBe(100 + 4_000);
  });

  test("counts an accuser once, the first one never, and no more than it wants", () => {
    const suspicion = start(10);
    expect(suspicion.confirm("first")).toBe(false);
    expect(suspicion.confirm("second")).toBe(true);
    expect(suspicion.confirm("second")).toBe(false);
    expect(suspicion.confirm("third")).toBe(true);
    expect(suspicion.confirm("fourth")).toBe(false);
  });

  test("that was only passed on waits for a first accuser", () => {
    const suspicion = new Suspicion(SWIM_DEFAULTS, 10, 0, undefined, 0);
    suspicion.confirm("first");
    expect(suspicion.deadlineMs).toBe(24_000);
  });

  test("is short from the start where too few members could confirm it", () => {
    expect(start(3).deadlineMs).toBe(100 + 4_000);
  });

  test("is extended once", () => {
    const suspicion = start(3);
    expect(suspicion.extend(60_000)).toBe(true);
    expect(suspicion.deadlineMs).toBe(64_000);
    expect(suspicion.extend(120_000)).toBe(false);
    expect(suspicion.deadlineMs).toBe(64_000);
  });
});

test("local health stays between 0 and its bound, and stretches times by one more than its score", () => {
  const health = new LocalHealth(8);
  health.improve();
  expect(health.scale(500)).toBe(500);
  health.worsen(3);
  expect(health.scale(500)).toBe(2_000);
  health.worsen(100);
  expect(health.score).toBe(7);
  health.improve();
  expect(health.score).toBe(6);
});
