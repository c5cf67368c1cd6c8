/** How much of its time a process stood still: what came to it meanwhile waited, whoever was at fault. */

const EVERY_MS = 2;
/** Shorter than this is a turn of the event loop like any other. */
const STALL_MS = 5;

/** @returns the share of time since it was last asked, in percent, that was spent in turns of more than 5 ms */
export function watchStalls(): () => number {
  let last = performance.now();
  let since = last;
  let stalledMs = 0;
  setInterval(() => {
    const now = performance.now();
    const lateMs = now - last - EVERY_MS;
    if (lateMs > STALL_MS) stalledMs += lateMs;
    last = now;
  }, EVERY_MS).unref();
  return () => {
    const now = performance.now();
    const percent = (stalledMs / (now - since)) * 100;
    since = now;
    stalledMs = 0;
    return percent;
  };
}
