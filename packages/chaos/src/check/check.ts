/** All checks over one history. */
import type { History } from "../history/history.ts";
import { checkEnd, type EndCounts } from "./at-end.ts";
import { checkBounds, checkCompleteness } from "./claims.ts";
import { showingsOf, WritesByKey } from "./key-writes.ts";
import { Losses } from "./losses.ts";
import { checkProcesses } from "./processes.ts";
import { checkShowings } from "./showings.ts";
import type { Violation } from "./violation.ts";

export interface Findings {
  /** In the order of time. */
  readonly violations: readonly Violation[];
  readonly counts: EndCounts;
}

export function check(history: History): Findings {
  const showings = showingsOf(history);
  const writes = new WritesByKey(history, showings);
  const losses = new Losses(history, writes, goneIds(history));
  const end = checkEnd(history, writes, losses);
  const violations = [
    ...end.violations,
    ...checkShowings(showings, writes, history.begin?.clockErrorMs ?? 0),
    ...checkBounds(history, showings, writes),
    ...checkCompleteness(history, showings, writes, losses),
    ...checkProcesses(history),
  ];
  return { violations: violations.sort((a, b) => a.atMs - b.atMs), counts: end.counts };
}

/** A run that started nothing cannot tell what became of an id that is gone; the others know what they destroyed. */
function goneIds({ processes, operations, settled }: History): Set<string> {
  if (processes.length > 0) return new Set();
  const left = new Set(settled.map(({ id }) => id));
  return new Set(operations.flatMap(({ id }) => (id === undefined || left.has(id) ? [] : [id])));
}
