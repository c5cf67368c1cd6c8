/**
 * The floor, to which deletions are purged: it trails the watermark by the retention and follows it in steps. A floor costs
 * each node a synced write before anything is purged to it, so it does not move with every exchange. It stays a function of
 * the watermark alone, never above it less the retention, and never falls.
 */
import { type HlcTime, hlcFromMs } from "../clock.ts";

/** Steps in a retention, at least. */
const STEPS_MIN = 8;
const STEP_MAX: HlcTime = hlcFromMs(10_000);

/** @param retention in clock ticks */
export function floorUnder(watermark: HlcTime, retention: HlcTime): HlcTime {
  const highest = watermark - retention;
  return highest <= 0 ? 0 : highest - (highest % stepOf(retention));
}

/** The least watermark whose floor is at or above a time. */
export function watermarkFor(time: HlcTime, retention: HlcTime): HlcTime {
  const over = time % stepOf(retention);
  return time + (over === 0 ? 0 : stepOf(retention) - over) + retention;
}

/**
 * The floor that a cluster may come to within the time of a step, however far its watermark trails at that time: whoever holds it
 * back may be forgotten at any moment.
 * @param floor where it is
 */
export function floorAhead(floor: HlcTime, time: HlcTime, retention: HlcTime): HlcTime {
  return Math.max(floor, time - retention + stepOf(retention));
}

function stepOf(retention: HlcTime): HlcTime {
  return Math.max(1, Math.min(STEP_MAX, Math.floor(retention / STEPS_MIN)));
}
