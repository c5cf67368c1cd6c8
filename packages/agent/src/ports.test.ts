import { afterEach, expect, it, vi } from "vitest";
import { processPorts } from "./ports.ts";

afterEach(() => vi.restoreAllMocks());

it("waits for as long as a timer can when it is asked for longer, and never for 1 ms", () => {
  const timer = vi.spyOn(globalThis, "setTimeout");
  const ports = processPorts(() => undefined);
  for (const ms of [48 * 24 * 3_600_000, 5_000]) ports.after(ms, () => undefined)();
  expect(timer.mock.calls.map(([, ms]) => ms)).toEqual([2 ** 31 - 1, 5_000]);
});
