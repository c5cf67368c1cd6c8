/** All checks over one history. */
import type { History } from "../history/history.ts";
import { checkEnd, type EndCounts } from "./at-end.ts";
import { checkBounds, checkCompleteness } from "./claims.ts";
import { Flipped, type Note } from "./flipped.ts";
import { showingsOf, WritesByKey } from "./key-writes.ts";
import { Losses } from "./losses.ts";
import { checkProcesses } from "./processes.ts";
import { checkShowings } from "./showings.ts";
import type { Violation } from "./violation.ts";

export interface Findings {
  /** In the order of time. */
  readonly violations: readonly Violation[];
  /** What looks like a violation and is none, in the order of time. */
  readonly notes: readonly Note[];
  readonly counts: EndCounts;
}

export function check(history: History): Findings {
  const showings = showingsOf(history);
  const writes = new WritesByKey(history, showings);
  const losses = new Losses(history, writes, goneIds(history));
  const flipped = new Flipped(history);
  const end = checkEnd(history, writes, losses);
  const violations = [
    ...end.violations,
    ...checkShowings(showings, writes, history.begin?.clockErrorMs ?? 0),
    ...checkBounds(history, showings, writes),
    ...checkCompleteness(history, showings, writes, losses),
    ...checkProcesses(history, flipped),
    ...unfinished(history),
  ];
  return {
    violations: violations.sort((a, b) => a.atMs - b.atMs),
    notes: flipped.notes,
    counts: end.counts,
  };
}

/** What was not looked at cannot have held. */
function* unfinished({ begin, endMs, writes, finals }: History): Generator<Violation> {
  const found = (node: string, detail: string): Violation => ({
    code: "unfinished",
    node,
    atMs: endMs,
    detail,
  });
  if (begin === undefined || endMs === 0) {
    yield found("", "the history breaks off before the end of its run");
    return;
  }
  const acknowledged = writes.filter(({ outcome }) => outcome === "ok");
  if (acknowledged.length === 0) yield found("", "no write was acknowledged, so nothing was tested");
  const keys = new Set(acknowledged.map(({ key }) => key));
  for (const node of begin.nodes) {
    const read = new Set(finals.filter((final) => final.node === node).map(({ key }) => key));
    const missing = [...keys].filter((key) => !read.has(key)).length;
    if (missing > 0) yield found(node, `${missing} keys were not read on ${node} at the end`);
  }
}

/** A run that started nothing cannot tell what became of an id that is gone; the others know what they destroyed. */
function goneIds({ processes, operations, settled }: History): Set<string> {
  if (processes.length > 0) return new Set();
  const left = new Set(settled.map(({ id }) => id));
  return new Set(operations.flatMap(({ id }) => (id === undefined || left.has(id) ? [] : [id])));
}
