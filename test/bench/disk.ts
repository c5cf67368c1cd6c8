/** How long a disk stands still by itself: below nodes that sync each write, nothing gets faster than that. */
import { open, rm } from "node:fs/promises";
import { join } from "node:path";
import { pause } from "./nodes.ts";

const BYTES = 500;
const EVERY_MS = 2;
/** The same as for an event loop (stalls.ts). */
const STALL_MS = 5;
const SECONDS = 10;

/**
 * Appends to a file and syncs it (`fdatasync`), over and over, as a lone writer.
 * @returns the share of time, in percent, that was spent in appends of more than 5 ms
 */
export async function diskStalledPercent(directory: string): Promise<number> {
  const path = join(directory, "probe");
  const file = await open(path, "w");
  const bytes = Buffer.alloc(BYTES, "v");
  const begun = performance.now();
  let stalledMs = 0;
  try {
    while (performance.now() - begun < SECONDS * 1000) {
      const before = performance.now();
      await file.write(bytes);
      await file.datasync();
      const tookMs = performance.now() - before;
      if (tookMs > STALL_MS) stalledMs += tookMs;
      await pause(EVERY_MS);
    }
  } finally {
    await file.close();
    await rm(path);
  }
  return (stalledMs / (performance.now() - begun)) * 100;
}
