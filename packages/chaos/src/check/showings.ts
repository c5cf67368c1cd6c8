/** What each showing of a key must not be, looked at alone: invented, over, or without what it was asked to wait for. */
import type { SeenSibling } from "../history/events.ts";
import { describe, seconds, sourcesOf } from "./at-end.ts";
import { type Moment, mayBeGone, mayBePurged, ROUNDING_MS } from "./cover.ts";
import type { KeyWrites, KnownWrite, Showing, WritesByKey } from "./key-writes.ts";
import type { Violation } from "./violation.ts";

export function* checkShowings(
  showings: readonly Showing[],
  writes: WritesByKey,
  clockErrorMs: number,
): Generator<Violation> {
  for (const showing of showings) {
    const keyWrites = writes.of(showing.key);
    for (const sibling of showing.siblings) {
      const reason = inventionOf(sibling, showing, keyWrites, clockErrorMs);
      if (reason !== undefined) yield violation("invented", showing, sibling.version, reason);
      const over = overSince(sibling, keyWrites, clockErrorMs);
      if (over !== undefined && showing.startMs > over + ROUNDING_MS) {
        const detail = `${showing.node} showed ${describe(sibling)}, whose time was over at ${seconds(over)}`;
        yield violation("expired", showing, sibling.version, detail);
      }
    }
    const { after } = showing;
    if (after !== undefined && !holds(showing, after, keyWrites, clockErrorMs)) {
      const detail = `${showing.node} was asked to wait for ${after} and showed ${shownBy(showing)}`;
      yield violation("stale_after", showing, after, detail);
    }
  }
}

/** Whether what was shown is the version, later than it, or gone by what may cover it. */
export function holds(showing: Showing, version: string, writes: KeyWrites, clockErrorMs: number): boolean {
  const [winner] = showing.siblings;
  if (winner !== undefined) return winner.version >= version;
  const write = writes.byVersion.get(version);
  // A deletion of unknown outcome: that it was purged is in order.
  if (write === undefined) return true;
  return mayBePurged(write, writes, { atMs: showing.endMs, clockErrorMs, present: [] }) !== "none";
}

export function shownBy({ siblings }: Showing): string {
  return siblings.length === 0 ? "no record" : siblings.map(describe).join(" and ");
}

function inventionOf(
  sibling: SeenSibling,
  { node, key, endMs }: Showing,
  writes: KeyWrites,
  clockErrorMs: number,
): string | undefined {
  const moment: Moment = { atMs: endMs, clockErrorMs };
  const what = `${node} showed ${describe(sibling)}`;
  const sources: readonly KnownWrite[] =
    sibling.value === undefined
      ? sourcesOf(sibling, writes, moment)
      : [writes.byValue.get(sibling.value)].filter((write) => write !== undefined);
  if (sources.length === 0) {
    return sibling.value === undefined
      ? `${what}, and nobody has deleted that, nor was its time over`
      : `${what} of ${sibling.value.length} characters that nobody has written to ${key}`;
  }
  if (sources.every(({ event }) => event.outcome === "none"))
    return `${what} of a write that had certainly failed`;
  if (sources.every(({ event }) => event.startMs > endMs))
    return `${what} before it was written, at ${seconds(sources[0]?.event.startMs ?? 0)}`;
  if (sibling.expired === true && !sources.some((write) => mayBeGone(write, moment)))
    return `${what} whose time was not over`;
  const [source] = sources;
  const written = source?.event.contentType;
  if (sibling.contentType !== undefined && written !== undefined && written !== sibling.contentType)
    return `${what} as ${sibling.contentType} that was written as ${written}`;
  const answered = source?.event.version;
  if (sibling.value !== undefined && answered !== undefined && answered !== sibling.version)
    return `${what} that was acknowledged as ${answered}`;
  return undefined;
}

/** From when a value may be shown no more; undefined while that is not known. */
function overSince(sibling: SeenSibling, writes: KeyWrites, clockErrorMs: number): number | undefined {
  if (sibling.value === undefined || sibling.expired === true) return undefined;
  const event = writes.byValue.get(sibling.value)?.event;
  if (event?.ttlMs === undefined || event.outcome !== "ok") return undefined;
  return event.endMs + event.ttlMs + clockErrorMs;
}

function violation(
  code: Violation["code"],
  { node, key, endMs }: Showing,
  version: string,
  detail: string,
): Violation {
  return { code, node, key, version, atMs: endMs, detail };
}
