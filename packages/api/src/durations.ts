const UNITS_MS: ReadonlyMap<string, number> = new Map([
  ["ms", 1],
  ["s", 1_000],
  ["m", 60_000],
  ["h", 3_600_000],
  ["d", 86_400_000],
]);

/** About 285 years: the longest duration whose end, counted from now, still is an exact time. */
export const DURATION_MAX_MS = 9_000_000_000_000;

/**
 * Reads `250ms`, `30s`, `1.5h`, `5m` or `7d`: one number and one unit.
 * @returns whole milliseconds, rounded up; undefined when the text is no duration or longer than {@link DURATION_MAX_MS}
 */
export function parseDurationMs(text: string): number | undefined {
  const match = /^(\d{1,15}(?:\.\d{1,9})?)(ms|s|m|h|d)$/.exec(text);
  const unitMs = UNITS_MS.get(match?.[2] ?? "");
  if (match === null || unitMs === undefined) return undefined;
  const ms = Math.ceil(Number(match[1]) * unitMs);
  return ms <= DURATION_MAX_MS ? ms : undefined;
}

/** The shortest exact text with one unit: 90000 is `90s`, 60000 is `1m`. */
export function formatDurationMs(ms: number): string {
  let text = `${ms}ms`;
  if (ms === 0) return text;
  for (const [unit, unitMs] of UNITS_MS) {
    if (ms % unitMs === 0) text = `${ms / unitMs}${unit}`;
  }
  return text;
}
