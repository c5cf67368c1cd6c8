/** Answers that no node gives while all is well with it. */
import type { OperationEvent } from "../history/events.ts";
import type { History } from "../history/history.ts";
import { seconds } from "./at-end.ts";
import type { Note } from "./flipped.ts";
import { grouped } from "./grouped.ts";
import type { Violation } from "./violation.ts";

/** A status of 500 tells with these of a disk, and with any other code of a node. */
const DISK: ReadonlySet<string> = new Set(["record_damaged", "write_failed"]);

/** Whatever was done to a node: it has a code for each trouble it knows of. */
export function* checkFailures({ operations }: History): Generator<Violation> {
  for (const { node, first, count, of } of byNode(operations, isInternal)) {
    const { endMs: atMs, key } = first;
    const detail = `${node} answered ${count} of ${of} requests with an internal error, first the ${first.do} at ${seconds(atMs)} (${first.code})`;
    yield { code: "internal_error", node, key, atMs, detail };
  }
}

/** What lies between may have given them, where others run the nodes: a connection that breaks is no answer. */
export function* foreignAnswers({ operations }: History): Generator<Note> {
  for (const { node, first, count, of } of byNode(operations, isForeign)) {
    const { endMs: atMs, status = "unknown", reason = "bad_answer" } = first;
    const detail = `${count} of ${of} requests to ${node} got what no node answers, first the ${first.do} of ${first.key} at ${seconds(atMs)} (status ${status}: ${reason})`;
    yield { node, atMs, detail };
  }
}

function isInternal({ code = "", status }: OperationEvent): boolean {
  return code === "internal" || (status === 500 && !isForeign({ code }) && !DISK.has(code));
}

function isForeign({ code }: Pick<OperationEvent, "code">): boolean {
  return code === "bad_answer";
}

interface Failed {
  readonly node: string;
  readonly first: OperationEvent;
  readonly count: number;
  /** All requests to the node. */
  readonly of: number;
}

function* byNode(
  operations: readonly OperationEvent[],
  isMeant: (operation: OperationEvent) => boolean,
): Generator<Failed> {
  for (const [node, all] of grouped(operations, ({ node }) => node)) {
    const [first, ...others] = all.filter(isMeant);
    if (first !== undefined) yield { node, first, count: 1 + others.length, of: all.length };
  }
}
