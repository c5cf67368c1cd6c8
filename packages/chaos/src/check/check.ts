/** All checks over one history. */
import type { History } from "../history/history.ts";
import { checkEnd, type EndCounts } from "./at-end.ts";
import { checkBounds, checkCompleteness } from "./claims.ts";
import { checkFailures, foreignAnswers } from "./failures.ts";
import { Flipped, type Note } from "./flipped.ts";
import { goneIds, goneNotes } from "./gone.ts";
import { Holders } from "./holders.ts";
import { showingsOf, WritesByKey } from "./key-writes.ts";
import { Losses } from "./losses.ts";
import { checkProcesses } from "./processes.ts";
import { checkAcks, checkAsked, checkReceipts, checkWatermarks } from "./replicas.ts";
import { Rosters } from "./rosters.ts";
import { checkShowings } from "./showings.ts";
import { namelessAnswers, unfinished, unnamedMembers } from "./unfinished.ts";
import { skippedThroughout, untried } from "./untried.ts";
import type { Violation } from "./violation.ts";

export interface Findings {
  /** In the order of time. */
  readonly violations: readonly Violation[];
  /** What is told and held against nobody: what looks like a violation and is none, and what could be checked by halves only. */
  readonly notes: readonly Note[];
  readonly counts: EndCounts;
}

export function check(history: History): Findings {
  const showings = showingsOf(history);
  const writes = new WritesByKey(history, showings);
  const rosters = new Rosters(history);
  const gone = goneIds(history);
  const losses = new Losses(history, new Holders(history, writes, rosters), gone);
  const flipped = new Flipped(history);
  const end = checkEnd(history, writes, losses);
  const found = [
    ...end.violations,
    ...checkShowings(showings, writes, history.begin?.clockErrorMs ?? 0),
    ...checkBounds(history, showings, writes),
    ...checkCompleteness(history, showings, writes, losses),
    ...checkAcks(history, showings, writes),
    ...checkAsked(history, rosters),
    ...checkReceipts(history),
    ...checkWatermarks(history),
    ...checkFailures(history),
    ...checkProcesses(history, flipped),
  ];
  const notes = [
    ...flipped.notes,
    ...namelessAnswers(history),
    ...foreignAnswers(history),
    ...goneNotes(history, gone),
    ...unnamedMembers(history),
    ...skippedThroughout(history),
  ];
  const { counts } = end;
  // What explains it may have been about to be recorded: a fault is when it is over, a write when it is answered.
  if (history.isInterrupted)
    return { violations: [...unfinished(history)], notes: [...notes, ...found.map(unjudged)], counts };
  const violations = [...found, ...unfinished(history), ...untried(history)];
  return { violations: violations.sort((a, b) => a.atMs - b.atMs), notes, counts };
}

function unjudged({ code, node, key, atMs, detail }: Violation): Note {
  const where = key === undefined ? "" : ` (${key})`;
  return { node, atMs, detail: `not judged, as the run was interrupted: ${code}: ${detail}${where}` };
}
