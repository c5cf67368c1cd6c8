/**
 * What was said is held against what is shown later. Everything goes by the id of a node: one that lost its data has a new
 * one, of which nobody has claimed anything.
 */
import type { StatusEvent } from "../history/events.ts";
import type { History } from "../history/history.ts";
import { seconds } from "./at-end.ts";
import { type Showing, versionMs, type WritesByKey, writerOf } from "./key-writes.ts";
import type { Losses } from "./losses.ts";
import { holds, shownBy } from "./showings.ts";
import type { Violation } from "./violation.ts";

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
    if (version === undefined) continue;
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

/** The latest watermark each id was claimed to hold everything through, as the showings go by. */
class Watermarks {
  readonly #statuses: readonly StatusEvent[];
  readonly #byId: Map<string, StatusEvent & { readonly watermarkMs: number }> = new Map();
  #next = 0;

  constructor(statuses: readonly StatusEvent[]) {
    this.#statuses = [...statuses].sort((a, b) => a.atMs - b.atMs);
  }

  of(id: string, beforeMs: number): (StatusEvent & { readonly watermarkMs: number }) | undefined {
    for (; ; this.#next++) {
      const status = this.#statuses[this.#next];
      if (status === undefined || status.atMs >= beforeMs) break;
      const { watermarkMs } = status;
      if (watermarkMs === null) continue;
      for (const member of status.members) {
        const before = this.#byId.get(member.id);
        if (before === undefined || before.watermarkMs < watermarkMs)
          this.#byId.set(member.id, { ...status, watermarkMs });
      }
    }
    return this.#byId.get(id);
  }
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
    const { id, key, node, startMs, endMs, completeThroughMs = Number.NEGATIVE_INFINITY } = showing;
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
