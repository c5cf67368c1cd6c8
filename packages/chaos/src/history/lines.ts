import type { HistoryEvent } from "./events.ts";

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

/** @throws HistoryLineError for what is no event of a history */
export function parseLines(text: string): HistoryEvent[] {
  const events: HistoryEvent[] = [];
  for (const [i, line] of text.split("\n").entries()) {
    if (line === "") continue;
    let value: unknown;
    try {
      value = JSON.parse(line);
    } catch {
      throw new HistoryLineError(i + 1, "is no JSON");
    }
    if (!isEvent(value)) throw new HistoryLineError(i + 1, "is no event");
    events.push(value);
  }
  return events;
}

/** Histories are written by this package alone, so the kind of a line vouches for its fields. */
function isEvent(value: unknown): value is HistoryEvent {
  return typeof value === "object" && value !== null && "type" in value && TYPES.has(value.type);
}
