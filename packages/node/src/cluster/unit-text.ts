/**
 * A completeness unit as one text, the form in which it spreads among the application states; whether its node is complete
 * is a state of its own, because older builds take no text of more parts.
 */
import { type CompletenessUnit, isHlcTime } from "@hearsay/core";

/** `sequence.complete through.settled at.table hash`, times in base 36. */
export function formatUnit(unit: CompletenessUnit): string {
  const times = [unit.sequence, unit.completeThrough, unit.settledAt].map((time) => time.toString(36));
  return [...times, unit.tableHash].join(".");
}

export function parseUnit(text: string, complete: boolean): CompletenessUnit | undefined {
  const [sequence, completeThrough, settledAt, tableHash, ...rest] = text.split(".");
  if (tableHash === undefined || rest.length > 0 || !/^[0-9a-f]{16}$/.test(tableHash)) return undefined;
  const times = [sequence, completeThrough, settledAt].map((part) =>
    part !== undefined && /^[0-9a-z]{1,11}$/.test(part) ? Number.parseInt(part, 36) : Number.NaN,
  );
  const [first, second, third] = times;
  if (!isHlcTime(first) || !isHlcTime(second) || !isHlcTime(third)) return undefined;
  return { sequence: first, completeThrough: second, settledAt: third, tableHash, complete };
}
