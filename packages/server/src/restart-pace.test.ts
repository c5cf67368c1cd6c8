import { expect, it } from "vitest";
import { RestartPace } from "./restart-pace.ts";

it("lets the first restart go at once, and later ones wait for their interval", () => {
  const pace = new RestartPace(1000);
  pace.started(0);
  expect(pace.delayMs(5)).toBe(0);
  pace.started(10);
  expect(pace.delayMs(10)).toBe(1000);
  expect(pace.delayMs(900)).toBe(110);
  expect(pace.delayMs(5000)).toBe(0);
  pace.started(5000);
  expect(pace.delayMs(5001)).toBe(999);
});
