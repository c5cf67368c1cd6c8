import type { Findings } from "../check/check.ts";
import type { History } from "../history/history.ts";
import { headlineOf, type Summary } from "./summary.ts";

/** Violations that are listed; the history has what led to them. */
const LISTED_MAX = 200;

export function markdownReport(history: History, { violations, notes }: Findings, summary: Summary): string {
  const { begin, faults } = history;
  const lines = [
    `# Chaos run ${begin?.run ?? ""}`,
    "",
    headlineOf(summary),
    "",
    `Repeat it with \`${begin?.command ?? ""}\`.`,
    "",
    "| | |",
    "|---|---|",
    ...factsOf(summary).map(([name, text]) => `| ${name} | ${text} |`),
    "",
    "## Violations",
    "",
    ...(violations.length === 0 ? ["None."] : ["| when | code | where | what |", "|---|---|---|---|"]),
    ...violations
      .slice(0, LISTED_MAX)
      .map(
        ({ atMs, code, key = "", detail }) =>
          `| ${seconds(atMs)} | ${code} | ${cell(key)} | ${cell(detail)} |`,
      ),
    ...(violations.length > LISTED_MAX ? ["", `And ${violations.length - LISTED_MAX} more.`] : []),
    "",
    ...(notes.length === 0 ? [] : ["## Notes", "", "| when | what |", "|---|---|"]),
    ...notes.map(({ atMs, detail }) => `| ${seconds(atMs)} | ${cell(detail)} |`),
    ...(notes.length === 0 ? [] : [""]),
    "## Faults",
    "",
    "| from | to | kind | nodes | what |",
    "|---|---|---|---|---|",
    ...[...faults]
      .sort((a, b) => a.atMs - b.atMs)
      .map(
        ({ atMs, endMs, kind, nodes, detail, skipped }) =>
          `| ${seconds(atMs)} | ${seconds(endMs)} | ${kind} | ${nodes.join(" ")} | ${cell(skipped === undefined ? detail : `skipped: ${skipped}`)} |`,
      ),
    "",
  ];
  return lines.join("\n");
}

/** Name and text of what a reader looks for first. */
export function factsOf(summary: Summary): [name: string, text: string][] {
  const { writes, reads, receipts, faults, settledMs } = summary;
  const skipped = faults
    .filter((fault) => fault.skipped > 0)
    .map((fault) => `${fault.skipped} ${fault.kind}`);
  return [
    ["time", `${summary.seconds} s`],
    [
      "writes",
      `${writes.acknowledged} acknowledged, ${writes.unknown} of unknown outcome, ${writes.refused} refused`,
    ],
    ["reads", `${reads.answered} answered, ${reads.refused} failed`],
    ["receipts", `${receipts.answered} answered, ${receipts.refused} failed`],
    ["keys", String(summary.keys)],
    [
      "faults",
      faults
        .filter(({ done }) => done > 0)
        .map(({ kind, done }) => `${done} ${kind}`)
        .join(", ") || "none",
    ],
    ["skipped", skipped.join(", ") || "none"],
    ["kills", `${summary.kills} with SIGKILL`],
    ["pauses", `${summary.pausesPastSuspicion} past suspicion`],
    [
      "agreed",
      settledMs === null ? lateOf(summary) : `${(settledMs / 1000).toFixed(1)} s after the last fault`,
    ],
    ["looked for at the end", `${summary.looked} (acknowledged writes, times nodes)`],
    ["excused: only holder destroyed", String(summary.destroyed)],
    ["excused: by uncertain writes alone", String(summary.uncertain)],
  ];
}

/** What is said where not all nodes have agreed. */
export function lateOf({ interrupted }: Summary): string {
  return interrupted ? "not yet" : "not in time";
}

function seconds(ms: number): string {
  return (ms / 1000).toFixed(2);
}

function cell(text: string): string {
  return text.replaceAll("|", "\\|").replaceAll("\n", " ");
}
