/** Of a trace, the lines that have to do with a violation. */
import type { Violation } from "../invariants/invariant.ts";

/** What is stored, dropped or acknowledged: a machine, and a key. All other lines tell of faults and of runs of nodes. */
const OF_A_RECORD = /^\S+ (\S+) (?:stores|drops|acknowledges) (\S+)/;

/** The words of a violation, the incarnation of a node's id taken off: its keys and its machines are among them. */
export function namesOf(violation: Violation | undefined): ReadonlySet<string> {
  const words = violation?.detail.split(/[\s,:;"]+/) ?? [];
  return new Set(words.map((word) => word.replace(/~.*$/, "").replace(/\.$/, "")));
}

/**
 * Leaves out what happened to records of other keys than the violation names. Where it names none, to records on other
 * machines; where it names nothing at all, nothing is left out.
 */
export function relevantLines(lines: readonly string[], violation: Violation | undefined): readonly string[] {
  const named = namesOf(violation);
  const records = lines.map((line) => OF_A_RECORD.exec(line));
  const isNamed = (part: 1 | 2): boolean => records.some((record) => named.has(record?.[part] ?? ""));
  const part = isNamed(2) ? 2 : isNamed(1) ? 1 : undefined;
  if (part === undefined) return lines;
  return lines.filter((_, i) => {
    const record = records[i];
    return record === null || record === undefined || named.has(record[part] ?? "");
  });
}
