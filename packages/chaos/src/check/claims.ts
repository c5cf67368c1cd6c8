/**
 * What was said is held against what is shown later. Everything goes by the id of a node: one that lost its data has a new
 * one, of which nobody has claimed anything.
 */
import type { History } from "../history/history.ts";
import { seconds } from "./at-end.ts";
import { type Showing, versionMs, type WritesByKey, writerOf } from "./key-writes.ts";
import type { Losses } from "./losses.ts";
import { holds, shownBy } from "./showings.ts";
import type { Violation } from "./violation.ts";
import { Watermarks } from "./watermarks.ts";

/** From then on the node shows the version or what covers it. */
interface Bound {
  readonly fromMs: number;
  readonly id: string;
  readonly key: string;
  readonly version: string;
  readonly code: "went_back" | "receipt_false";
  readonly because: string;
}

/** @param showings in the order in which they were asked for */
export function* checkBounds(
  history: History,
  showings: readonly Showing[],
  writes: WritesByKey,
): Generator<Violation> {
  const clockErrorMs = history.begin?.clockErrorMs ?? 0;
  const bounds = boundsOf(history, showings).sort((a, b) => a.fromMs - b.fromMs);
  const strongest = new Map<string, Bound>();
  let next = 0;
  for (const showing of showings) {
    for (; ; next++) {
      const bound = bounds[next];
      if (bound === undefined || bound.fromMs >= showing.startMs) break;
      const place = `${bound.id} ${bound.key}`;
      const before = strongest.get(place);
      if (before === undefined || before.version < bound.version) strongest.set(place, bound);
    }
    const bound = strongest.get(`${showing.id} ${showing.key}`);
    if (bound === undefined || holds(showing, bound.version, writes.of(showing.key), clockErrorMs)) continue;
    const { node, key, endMs } = showing;
    const { code, version, because, fromMs } = bound;
    const detail = `${node} showed ${shownBy(showing)}, although ${because} at ${seconds(fromMs)}`;
    yield { code, node, key, version, atMs: endMs, detail };
  }
}

function boundsOf({ writes, receipts }: History, showings: readonly Showing[]): Bound[] {
  const bounds: Bound[] = [];
  for (const { id, node, key, endMs, siblings } of showings) {
    const version = siblings[0]?.version;
    if (version === undefined || id === undefined) continue;
    const because = `${node} had shown ${version}`;
    bounds.push({ fromMs: endMs, id, key, version, code: "went_back", because });
  }
  for (const { outcome, version, key, endMs, node } of writes) {
    if (outcome !== "ok" || version === undefined) continue;
    const because = `${node} had acknowledged ${version}`;
    bounds.push({ fromMs: endMs, id: writerOf(version), key, version, code: "went_back", because });
  }
  for (const { holders = [], version, key, endMs, node } of receipts) {
    const because = `a receipt of ${node} said that it holds ${version}`;
    for (const id of holders)
      bounds.push({ fromMs: endMs, id, key, version, code: "receipt_false", because });
  }
  return bounds;
}

export function* checkCompleteness(
  history: History,
  showings: readonly Showing[],
  writes: WritesByKey,
  losses: Losses,
): Generator<Violation> {
  const clockErrorMs = history.begin?.clockErrorMs ?? 0;
  const watermarks = new Watermarks(history.statuses);
  for (const showing of showings) {
    const { id, key, node, startMs, endMs } = showing;
    if (showing.completeThroughMs === null) {
      const detail = `${node} said that it holds all through what is no time`;
      yield { code: "complete_false", node, key, atMs: endMs, detail };
    }
    const completeThroughMs = showing.completeThroughMs ?? Number.NEGATIVE_INFINITY;
    const status = watermarks.of(id, startMs);
    const keyWrites = writes.of(key);
    for (const { version } of keyWrites.acknowledged) {
      if (version === undefined || losses.isLost(writerOf(version), endMs)) continue;
      const ms = versionMs(version);
      const counted = status?.members.some((member) => member.id === writerOf(version)) ?? false;
      const byWatermark = counted && status !== undefined && ms <= status.watermarkMs;
      if ((!byWatermark && ms > completeThroughMs) || holds(showing, version, keyWrites, clockErrorMs))
        continue;
      const because =
        byWatermark && status !== undefined
          ? `${status.node} had said at ${seconds(status.atMs)} that every member holds all through ${iso(status.watermarkMs)}`
          : `it said that it holds all through ${iso(completeThroughMs)}`;
      const code = byWatermark ? "watermark_false" : "complete_false";
      const detail = `${node} showed ${shownBy(showing)} without ${version}, although ${because}`;
      yield { code, node, key, version, atMs: endMs, detail };
    }
  }
}

function iso(ms: number): string {
  return new Date(ms).toISOString();
}
