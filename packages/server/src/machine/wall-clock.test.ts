import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, describe, expect, it } from "vitest";
import { wallClock } from "./wall-clock.ts";

const directory = mkdtempSync(join(tmpdir(), "hearsay-clock-"));
afterAll(() => rmSync(directory, { recursive: true }));

const HOUR_MS = 3_600_000;
const FAR_MS = 10 * HOUR_MS;

/** To the hour, whatever the machine is busy with. */
function hoursAhead(clock: { nowMs(): number }): number {
  return Math.round((clock.nowMs() - Date.now()) / HOUR_MS);
}

describe("the wall clock", () => {
  it("is the machine's", () => {
    expect(hoursAhead(wallClock(""))).toBe(0);
  });

  it("is wrong by what the test's file says, as soon as it says so", async () => {
    const path = join(directory, "shift");
    const clock = wallClock(path);
    expect(hoursAhead(clock)).toBe(0);
    writeFileSync(path, `${FAR_MS}\n`);
    await expect.poll(() => hoursAhead(clock)).toBe(10);
    writeFileSync(path, `${-FAR_MS}\n`);
    await expect.poll(() => hoursAhead(clock)).toBe(-10);
    writeFileSync(path, "nonsense");
    expect(hoursAhead(clock)).toBe(-10);
    rmSync(path);
    await expect.poll(() => hoursAhead(clock)).toBe(0);
  });
});
