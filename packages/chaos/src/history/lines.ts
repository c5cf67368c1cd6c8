import type { HistoryEvent } from "./events.ts";
import { History } from "./history.ts";

const TYPES: ReadonlySet<unknown> = new Set<HistoryEvent["type"]>([
  "begin",
  "op",
  "status",
  "verdict",
  "fault",
  "process",
  "log",
  "final",
  "verify",
  "settled",
  "end",
  "interrupted",
]);

/** A line of a history cannot be understood. */
export class HistoryLineError extends Error {
  readonly fault: { readonly code: "bad_history"; readonly line: number };
  readonly next: string = "Give the history.ndjson of a run, as it was written.";

  constructor(line: number, reason: string) {
    super(`line ${line} of the history ${reason}`);
    this.name = "HistoryLineError";
    this.fault = { code: "bad_history", line };
  }
}

export function formatLine(event: HistoryEvent): string {
  return `${JSON.stringify(event)}\n`;
}

/**
 * The events of a history whose text comes in parts. A last line that is not whole is left out: so a run ends that was killed, and
 * without its last event no history counts as finished.
 * @throws HistoryLineError for what is no event of a history, and for a text that does not begin as one
 */
export async function readHistory(parts: AsyncIterable<string> | Iterable<string>): Promise<History> {
  const history = new History();
  let number = 0;
  for await (const [line, isWhole] of linesOf(parts)) {
    number += 1;
    const event = line === "" ? undefined : eventOf(line, number, isWhole);
    if (event !== undefined) history.add(event);
  }
  if (history.begin === undefined) throw new HistoryLineError(1, "does not begin a run");
  return history;
}

async function* linesOf(
  parts: AsyncIterable<string> | Iterable<string>,
): AsyncGenerator<readonly [line: string, isWhole: boolean]> {
  let rest = "";
  for await (const part of parts) {
    const lines = (rest + part).split("\n");
    rest = lines.pop() ?? "";
    for (const line of lines) yield [line, true];
  }
  yield [rest, false];
}

function eventOf(line: string, number: number, isWhole: boolean): HistoryEvent | undefined {
  let value: unknown;
  try {
    value = JSON.parse(line);
  } catch {
    if (!isWhole) return undefined;
    throw new HistoryLineError(number, "is no JSON");
  }
  if (!isEvent(value)) throw new HistoryLineError(number, "is no event");
  return value;
}

/** Histories are written by this package alone, so the kind of a line vouches for its fields. */
function isEvent(value: unknown): value is HistoryEvent {
  return typeof value === "object" && value !== null && "type" in value && TYPES.has(value.type);
}
