/**
 * Which writes may, and which must, cover which others. `may` excuses and takes in every case an observer cannot rule
 * out; `must` accuses and takes in only what follows from what was answered.
 *
 * Both are closed under covering: if t covers s and s covers w, then t was over after s was sent, which was over after w
 * was, and a context that covers s was read after it. So it suffices to ask about the siblings that are left at the end.
 */
import type { SeenSibling } from "../history/events.ts";
import { type KeyWrites, type KnownWrite, type WritesByKey, writerOf } from "./key-writes.ts";

/** @param version of s, where it was seen and its answer did not come */
export function mayCover(s: KnownWrite, w: KnownWrite, version: string | undefined = s.version): boolean {
  if (s === w || s.event.outcome === "none") return false;
  const certainlyBefore = s.event.outcome === "ok" && s.event.endMs <= w.event.startMs;
  if (certainlyBefore) return false;
  if (version !== undefined && w.version !== undefined && version <= w.version) return false;
  if (s.context === undefined) return true;
  if (s.context === "empty") return false;
  return s.context.index === w.event.index || s.context.endMs > w.event.startMs;
}

export function mustCover(s: KnownWrite, w: KnownWrite, writes: WritesByKey): boolean {
  const { version } = w;
  if (s === w || s.event.outcome !== "ok" || s.version === undefined || version === undefined) return false;
  if (s.context === "empty") return false;
  const coordinator = writerOf(s.version);
  if (s.context === undefined) {
    const acknowledgedHere =
      w.event.outcome === "ok" && writerOf(version) === coordinator && w.event.endMs < s.event.startMs;
    const shownMs = writes.shownMs(version, coordinator);
    return acknowledgedHere || (shownMs !== undefined && shownMs < s.event.startMs);
  }
  if (s.context.do === "get") {
    return s.context.siblings?.some((sibling) => sibling.version === version) ?? false;
  }
  // The context of a write names that write alone, which another node may not have received yet (decision 0001).
  return s.context.index === w.event.index && writerOf(version) === coordinator;
}

/** Clocks are read in whole milliseconds on both sides. */
export const ROUNDING_MS = 2;

/** When something was seen, and how well the observer knows the nodes' time. */
export interface Moment {
  readonly atMs: number;
  readonly clockErrorMs: number;
}

/** A deletion, or a value whose time may be over. */
export function mayBeGone({ event }: KnownWrite, { atMs, clockErrorMs }: Moment): boolean {
  if (event.outcome === "none" || event.startMs > atMs) return false;
  if (event.do === "delete") return true;
  return event.ttlMs !== undefined && atMs >= event.startMs + event.ttlMs - clockErrorMs - ROUNDING_MS;
}

/** Whether what a node showed may be the write: its own value, or none once that may be over. */
export function mayShow(w: KnownWrite, { value, expired }: SeenSibling, moment: Moment): boolean {
  if (value !== undefined && value !== w.event.value) return false;
  return (value !== undefined && expired !== true) || mayBeGone(w, moment);
}

export interface Absence extends Moment {
  /** The versions that came after whatever is absent with its whole record. */
  readonly present: readonly string[];
}

/** Whether a write may be absent because of others: certainly made ones, or only such as may have been made. */
export type Excuse = "certain" | "uncertain" | "none";

/**
 * Whether a write may have gone with its whole record, which happens when everything in that is deleted or over. What is there
 * was written after that, so it is newer than what took the write away.
 */
export function mayBePurged(w: KnownWrite, { all }: KeyWrites, { present, ...moment }: Absence): Excuse {
  let excuse: Excuse = "none";
  for (const d of all) {
    if (!mayBeGone(d, moment) || !(d === w || mayCover(d, w))) continue;
    const { version } = d;
    if (version !== undefined && present.some((other) => other <= version)) continue;
    if (d.event.outcome === "ok") return "certain";
    excuse = "uncertain";
  }
  return excuse;
}
