/** The machine's clock, or in a test one that is wrong on purpose. */
import { readFileSync } from "node:fs";
import type { Clock } from "@hearsay/node";

/** How long what the file said is taken for what it says. */
const READ_AGAIN_MS = 20;

/** @param shiftFile `test.clockFile`: holds the milliseconds to add, and may change at any time; empty for none */
export function wallClock(shiftFile: string): Clock {
  if (shiftFile === "") return { nowMs: () => Date.now() };
  let shiftMs = 0;
  let readMs = Number.NEGATIVE_INFINITY;
  return {
    nowMs() {
      const monotonicMs = performance.now();
      if (monotonicMs - readMs >= READ_AGAIN_MS) {
        readMs = monotonicMs;
        shiftMs = readShiftMs(shiftFile) ?? shiftMs;
      }
      return Date.now() + shiftMs;
    },
  };
}

/** Undefined while somebody is writing the file: then the clock stays as it is. A file that is not there shifts nothing. */
function readShiftMs(path: string): number | undefined {
  try {
    const text = readFileSync(path, "utf8").trim();
    return /^-?\d{1,12}$/.test(text) ? Number(text) : undefined;
  } catch {
    return 0;
  }
}
