/** What every node holds at the end: nothing lost, nothing back, everywhere the same. */
import type { FinalEvent, SeenSibling } from "../history/events.ts";
import type { History } from "../history/history.ts";
import { type Excuse, type Moment, mayBePurged, mayCover, mayShow, mustCover } from "./cover.ts";
import { grouped } from "./grouped.ts";
import { type KeyWrites, type KnownWrite, type WritesByKey, writerOf } from "./key-writes.ts";
import type { Losses } from "./losses.ts";
import type { Violation } from "./violation.ts";

export interface EndCounts {
  /** Acknowledged writes that were looked for, once for each node. */
  looked: number;
  /** Absent, and excused by writes of which it is not known whether they were made. */
  uncertain: number;
  /** Absent, and excused because the data of the only node known to hold it was destroyed. */
  destroyed: number;
  /** By that node's id: how many writes those are. */
  readonly destroyedWith: Record<string, number>;
}

export interface EndFindings {
  readonly violations: readonly Violation[];
  readonly counts: EndCounts;
}

export function checkEnd(history: History, writes: WritesByKey, losses: Losses): EndFindings {
  const violations: Violation[] = [];
  const counts: EndCounts = { looked: 0, uncertain: 0, destroyed: 0, destroyedWith: {} };
  const destroyed = new Set<string>();
  const clockErrorMs = history.begin?.clockErrorMs ?? 0;
  for (const final of history.finals) {
    if (final.unreadable !== undefined) {
      violations.push(damaged(final));
      continue;
    }
    const keyWrites = writes.of(final.key);
    for (const write of keyWrites.acknowledged) {
      counts.looked += 1;
      const excuse = excuseOf(final, write, keyWrites, clockErrorMs);
      if (excuse === "uncertain") counts.uncertain += 1;
      if (excuse !== "none") continue;
      if (!losses.excuses(write)) violations.push(lost(final, write));
      else {
        counts.destroyed += 1;
        destroyed.add(write.version ?? "");
      }
    }
    violations.push(...resurrected(final, keyWrites, writes, losses), ...unlisted(final, keyWrites));
  }
  for (const [id, versions] of grouped(destroyed, writerOf)) counts.destroyedWith[id] = versions.length;
  violations.push(...diverged(history.finals.filter(({ unreadable }) => unreadable === undefined)));
  return { violations, counts };
}

/** Why the write may be absent; certain also when it is not. */
function excuseOf(
  { siblings, endMs }: FinalEvent,
  w: KnownWrite,
  writes: KeyWrites,
  clockErrorMs: number,
): Excuse {
  const moment = { atMs: endMs, clockErrorMs };
  if (siblings.some((sibling) => sibling.version === w.version && mayShow(w, sibling, moment)))
    return "certain";
  let excuse: Excuse = "none";
  for (const sibling of siblings) {
    for (const source of sourcesOf(sibling, writes, moment)) {
      if (!mayCover(source, w, sibling.version)) continue;
      // What stands there was made, whatever its answer was.
      if (source.version !== undefined) return "certain";
      excuse = "uncertain";
    }
  }
  const purged = mayBePurged(w, writes, { ...moment, present: agesOf(siblings) });
  return purged === "none" ? excuse : purged;
}

/**
 * What tells when a record may have been purged for the last time. A deletion beside a live value does not: an old copy of a
 * directory brings it back, and as it brings back no value it is no ghost (decision 0002).
 */
function agesOf(siblings: readonly SeenSibling[]): string[] {
  const live = siblings.filter(({ value, expired }) => value !== undefined && expired !== true);
  return (live.length > 0 ? live : siblings).map(({ version }) => version);
}

/** The write a sibling comes from; for a tombstone that no answer named, every deletion it may be. */
export function sourcesOf(sibling: SeenSibling, writes: KeyWrites, moment: Moment): readonly KnownWrite[] {
  const known = writes.byVersion.get(sibling.version);
  const unnamed = writes.all.filter(
    ({ event, version }) => version === undefined && event.outcome === "unknown",
  );
  return (known === undefined ? unnamed : [known]).filter((write) => mayShow(write, sibling, moment));
}

function damaged({ node, key, endMs, unreadable = "" }: FinalEvent): Violation {
  return { code: "damaged", node, key, atMs: endMs, detail: `${node} could not show the key: ${unreadable}` };
}

function lost({ node, key, endMs, siblings }: FinalEvent, { event, version }: KnownWrite): Violation {
  const held =
    siblings.length === 0 ? "has no record of the key" : `holds ${siblings.map(describe).join(" and ")}`;
  const what = `the ${event.do} of ${version} acknowledged by ${event.node} at ${seconds(event.endMs)}`;
  const detail = `${node} ${held}, and ${what} is gone`;
  return { code: "lost", node, key, version, atMs: endMs, acknowledgedMs: event.endMs, detail };
}

function* resurrected(
  { node, key, endMs, siblings }: FinalEvent,
  keyWrites: KeyWrites,
  writes: WritesByKey,
  losses: Losses,
): Generator<Violation> {
  for (const sibling of siblings) {
    const write = keyWrites.byVersion.get(sibling.version);
    if (sibling.value === undefined || sibling.expired === true || write === undefined) continue;
    const over = keyWrites.acknowledged.find((s) => mustCover(s, write, writes) && !losses.excuses(s));
    if (over === undefined) continue;
    const { event, version } = over;
    const detail = `${node} holds ${describe(sibling)}, which the ${event.do} of ${version} acknowledged by ${event.node} at ${seconds(event.endMs)} had replaced`;
    const times = { atMs: endMs, acknowledgedMs: event.endMs };
    yield { code: "resurrected", node, key, version: sibling.version, ...times, detail };
  }
}

/** A value for good: of another the time may have been over when the keys were listed, or be now. */
function* unlisted(
  { node, key, endMs, siblings, listed }: FinalEvent,
  writes: KeyWrites,
): Generator<Violation> {
  const [winner] = siblings;
  if (
    listed !== false ||
    winner?.value === undefined ||
    writes.byValue.get(winner.value)?.event.ttlMs !== undefined
  )
    return;
  const detail = `${node} holds ${describe(winner)} of a key that it did not list`;
  yield { code: "unlisted", node, key, version: winner.version, atMs: endMs, detail };
}

/**
 * A record of which everything is deleted or over may be gone on one node before it is on another. And a value may run out
 * between the reading of two nodes, which then show the same versions.
 */
function agree(a: FinalEvent, b: FinalEvent): boolean {
  return (isGone(a) && isGone(b)) || versionsOf(a) === versionsOf(b);
}

function isGone({ siblings }: FinalEvent): boolean {
  return siblings.every(({ value, expired }) => value === undefined || expired === true);
}

function versionsOf({ siblings }: FinalEvent): string {
  return siblings.map(({ version }) => version).join(" ");
}

function* diverged(finals: readonly FinalEvent[]): Generator<Violation> {
  const first = new Map<string, FinalEvent>();
  const told = new Set<string>();
  for (const final of finals) {
    const { node, key, endMs } = final;
    const other = first.get(key);
    if (other === undefined) first.set(key, final);
    else if (!told.has(key) && !agree(other, final)) {
      told.add(key);
      const [here, there] = [final, other].map(
        ({ siblings }) => siblings.map(describe).join(" and ") || "nothing",
      );
      yield {
        code: "diverged",
        node,
        key,
        atMs: endMs,
        detail: `${node} holds ${here}, ${other.node} holds ${there}`,
      };
    }
  }
}

export function describe({ version, value, expired }: SeenSibling): string {
  if (value === undefined) return `a deletion (${version})`;
  return expired === true ? `an expired value (${version})` : `a value (${version})`;
}

export function seconds(ms: number): string {
  return `${(ms / 1000).toFixed(3)} s`;
}
