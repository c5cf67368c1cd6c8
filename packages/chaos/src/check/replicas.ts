/** What was said of who holds a write, without their names or against itself. */
import type { History } from "../history/history.ts";
import { seconds } from "./at-end.ts";
import { grouped } from "./grouped.ts";
import { type Showing, type WritesByKey, writerOf } from "./key-writes.ts";
import type { Rosters } from "./rosters.ts";
import { holds } from "./showings.ts";
import type { Violation } from "./violation.ts";
import { HEARSAY_MS } from "./watermarks.ts";

/** More replicas were counted than there are without those that show less afterwards. */
export function* checkAcks(
  history: History,
  showings: readonly Showing[],
  writes: WritesByKey,
): Generator<Violation> {
  const clockErrorMs = history.begin?.clockErrorMs ?? 0;
  const firstMs = firstSeen(history, showings);
  const byKey = grouped(showings, ({ key }) => key);
  for (const { key, node, version, acks = 1, outcome, endMs } of history.writes) {
    if (outcome !== "ok" || version === undefined || acks < 2) continue;
    const there = new Set([...firstMs].filter(([, ms]) => ms <= endMs + HEARSAY_MS).map(([id]) => id));
    const without = new Set(
      byKey
        .get(key)
        ?.filter((showing) => showing.startMs > endMs && there.has(showing.id ?? ""))
        .filter((showing) => !holds(showing, version, writes.of(key), clockErrorMs))
        .map(({ id }) => id),
    );
    if (acks <= there.size - without.size) continue;
    const detail = `${node} said at ${seconds(endMs)} that ${acks} replicas hold ${version}, and ${without.size} of ${there.size} showed less afterwards`;
    yield { code: "ack_false", node, key, version, atMs: endMs, detail };
  }
}

/** A write was acknowledged with fewer replicas than were asked for, by the members that its node counted meanwhile. */
export function* checkAsked({ writes }: History, rosters: Rosters): Generator<Violation> {
  for (const { ack, acks = 1, outcome, version, node, key, startMs, endMs } of writes) {
    if (outcome !== "ok" || version === undefined || ack === undefined) continue;
    const members = rosters.counted(node, writerOf(version), startMs, endMs).size;
    const needed = neededFor(ack, members);
    if (acks >= needed) continue;
    const of = typeof ack === "number" ? "" : `, which takes ${needed} of the ${members} members it counted`;
    const detail = `${node} acknowledged ${version} at ${seconds(endMs)} with acks=${acks}, asked for ack=${ack}${of}`;
    yield { code: "ack_false", node, key, version, atMs: endMs, detail };
  }
}

/** Of at least so many members, how many it takes at least. */
function neededFor(ack: number | "quorum" | "all", members: number): number {
  if (ack === "quorum") return Math.floor(members / 2) + 1;
  return ack === "all" ? members : ack;
}

function firstSeen({ statuses }: History, showings: readonly Showing[]): Map<string, number> {
  const first = new Map<string, number>();
  const note = (id: string, ms: number): void => void first.set(id, Math.min(ms, first.get(id) ?? ms));
  for (const { id, endMs } of showings) if (id !== undefined) note(id, endMs);
  for (const { members, atMs } of statuses) for (const { id } of members) note(id, atMs);
  return first;
}

export function* checkReceipts({ receipts }: History): Generator<Violation> {
  for (const { lacking = [], everywhere, complete, version, key, endMs, node } of receipts) {
    if (lacking.length === 0 || (everywhere !== true && complete !== true)) continue;
    const said = everywhere === true ? "is everywhere" : "is complete";
    const detail = `a receipt of ${node} said that ${version} ${said}, and that ${lacking.join(" and ")} lack it`;
    yield { code: "receipt_false", node, key, version, atMs: endMs, detail };
  }
}

/** Not over a restart: what a node counted as passed is not on its disk. So only where this run knows of every one. */
export function* checkWatermarks({ statuses, processes }: History): Generator<Violation> {
  if (processes.length === 0) return;
  const highest = new Map<string, number>();
  for (const event of [...statuses, ...processes].sort((a, b) => a.atMs - b.atMs)) {
    const { node, atMs } = event;
    if (event.type === "process") {
      highest.delete(node);
      continue;
    }
    if (event.watermarkMs === null) continue;
    const before = highest.get(node) ?? event.watermarkMs;
    highest.set(node, Math.max(before, event.watermarkMs));
    if (event.watermarkMs >= before) continue;
    const detail = `the watermark of ${node} went back by ${before - event.watermarkMs} ms`;
    yield { code: "watermark_false", node, atMs, detail };
  }
}
