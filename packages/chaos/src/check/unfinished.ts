/** What was not looked at cannot have held, and what was looked at by halves is told. */
import type { OperationEvent } from "../history/events.ts";
import type { History } from "../history/history.ts";
import type { Note } from "./flipped.ts";
import { grouped } from "./grouped.ts";
import type { Violation } from "./violation.ts";

/** So few tell nothing by failing: one node that is away for a while may have been asked for most of them. */
const RECEIPTS_FEW = 10;

export function* unfinished(history: History): Generator<Violation> {
  const { begin, endMs, isInterrupted, writes, finals } = history;
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
  if (isInterrupted) {
    yield found("", "the run was interrupted before its end");
    return;
  }
  const acknowledged = writes.filter(({ outcome }) => outcome === "ok");
  if (acknowledged.length === 0) yield found("", "no write was acknowledged, so nothing was tested");
  for (const [what, operations, few] of [
    ["reads", history.reads, 0],
    ["receipts", history.receipts, RECEIPTS_FEW],
  ] as const) {
    const tried = operations.filter((operation) => !isAway(operation, history));
    const failed = tried.filter(({ outcome }) => outcome !== "ok").length;
    if (tried.length >= few && failed * 2 > tried.length)
      yield found("", `${failed} of ${tried.length} ${what} failed, so little was looked at`);
  }
  const garbled = writes.filter(({ code }) => code === "bad_answer").length;
  if (garbled * 2 > writes.length)
    yield found("", `${garbled} of ${writes.length} writes were not answered as a node answers`);
  const keys = new Set(acknowledged.map(({ key }) => key));
  for (const node of begin.nodes) {
    const read = new Set(finals.filter((final) => final.node === node).map(({ key }) => key));
    const missing = [...keys].filter((key) => !read.has(key)).length;
    if (missing > 0) yield found(node, `${missing} keys were not read on ${node} at the end`);
  }
}

/** A run that ends nodes itself has requests that reach none. */
function isAway({ code }: OperationEvent, { processes }: History): boolean {
  return processes.length > 0 && (code === "unreachable" || code === "timed_out");
}

/** Most checks go by the id of who has answered. */
export function* namelessAnswers({ reads }: History): Generator<Note> {
  const nameless = reads.filter(({ outcome, id }) => outcome === "ok" && id === undefined);
  for (const [node, answers] of grouped(nameless, ({ node }) => node)) {
    const atMs = answers[0]?.endMs ?? 0;
    const detail = `${answers.length} answers of ${node} were without Hearsay-Node, so each was checked by itself alone`;
    yield { node, atMs, detail };
  }
}

/** A cluster that somebody else runs may have members that the run was not told of. It has read nothing of what they hold. */
export function* unnamedMembers({ processes, statuses }: History): Generator<Note> {
  if (processes.length > 0) return;
  const answered = new Set(statuses.map(({ id }) => id));
  const unnamed = new Map<string, { readonly name: string; readonly atMs: number }>();
  for (const { atMs, members } of statuses) {
    for (const { id, name, state } of members)
      if (state === "alive" && !answered.has(id) && !unnamed.has(id)) unnamed.set(id, { name, atMs });
  }
  for (const { name, atMs } of unnamed.values())
    yield {
      node: name,
      atMs,
      detail: `${name} was not named as an endpoint, so what it holds was not looked at`,
    };
}
