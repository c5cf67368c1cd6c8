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
  const parts = UNIT.exec(text);
  if (parts === null) return undefined;
  const [, first = "", second = "", third = "", tableHash = ""] = parts;
  const sequence = Number.parseInt(first, 36);
  const completeThrough = Number.parseInt(second, 36);
  const settledAt = Number.parseInt(third, 36);
  if (!isHlcTime(sequence) || !isHlcTime(completeThrough) || !isHlcTime(settledAt)) return undefined;
  return { sequence, completeThrough, settledAt, tableHash, complete };
}

const UNIT = /^([0-9a-z]{1,11})\.([0-9a-z]{1,11})\.([0-9a-z]{1,11})\.([0-9a-f]{16})$/;
