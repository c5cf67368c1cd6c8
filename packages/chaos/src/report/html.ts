/** The report as one page that needs nothing from anywhere. */

import type { Findings } from "../check/check.ts";
import type { Note } from "../check/flipped.ts";
import type { Violation } from "../check/violation.ts";
import type { FaultEvent } from "../history/events.ts";
import type { History } from "../history/history.ts";
import { factsOf } from "./markdown.ts";
import { STYLE } from "./style.ts";
import { headlineOf, type Summary } from "./summary.ts";
import { escapeText } from "./svg.ts";
import { timeline } from "./timeline.ts";

/** Violations that are listed; the history has what led to them. */
const LISTED_MAX = 500;

const LEGEND: readonly (readonly [kind: string, text: string])[] = [
  ["fault network", "links"],
  ["fault process", "process"],
  ["fault disk", "disk"],
  ["fault clock", "clock"],
  ["down", "down"],
  ["verdict converged", "converged"],
  ["verdict converging", "converging"],
  ["verdict partitioned", "partitioned"],
  ["verdict unreachable", "no answer"],
  ["write ok", "acknowledged"],
  ["write unknown", "uncertain"],
  ["write none", "refused"],
  ["violation", "violation, when it was seen"],
  ["undone", "when what is lost or was undone had been acknowledged"],
];

export function htmlReport(history: History, { violations, notes }: Findings, summary: Summary): string {
  const { begin } = history;
  const title = `Chaos run ${begin?.run ?? ""}`;
  const verdict = headlineOf(summary);
  return `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>${escapeText(title)}: ${escapeText(verdict)}</title>
<style>${STYLE}</style>
</head>
<body>
<h1>${escapeText(title)}</h1>
<p class="${violations.length === 0 ? "good" : "bad"}">${escapeText(verdict)}</p>
<p>Repeat it: <code>${escapeText(begin?.command ?? "")}</code></p>
${timeline(history, violations)}
<p class="legend">${LEGEND.map(swatch).join(" ")}</p>
<h2>Numbers</h2>
<table>${factsOf(summary).map(factRow).join("")}</table>
<h2>Violations</h2>
${violationTable(violations)}
${noteTable(notes)}
<h2>Faults</h2>
<table><tr><th>from</th><th>to</th><th>kind</th><th>nodes</th><th>what</th></tr>
${[...history.faults]
  .sort((a, b) => a.atMs - b.atMs)
  .map(faultRow)
  .join("\n")}
</table>
</body>
</html>
`;
}

function swatch([kind, text]: readonly [string, string]): string {
  return `<span><svg class="swatch" viewBox="0 0 14 14"><rect width="14" height="14" class="${kind}"/></svg> ${text}</span>`;
}

function factRow([name, text]: readonly [string, string]): string {
  return `<tr><th>${escapeText(name)}</th><td>${escapeText(text)}</td></tr>`;
}

function violationTable(violations: readonly Violation[]): string {
  if (violations.length === 0) return "<p>None.</p>";
  const rows = violations
    .slice(0, LISTED_MAX)
    .map(
      ({ atMs, code, key = "", detail }) =>
        `<tr><td>${seconds(atMs)}</td><td>${code}</td><td>${escapeText(key)}</td><td>${escapeText(detail)}</td></tr>`,
    );
  const more = violations.length - LISTED_MAX;
  const rest = more > 0 ? `<p>And ${more} more.</p>` : "";
  return `<table><tr><th>when</th><th>code</th><th>key</th><th>what</th></tr>${rows.join("\n")}</table>${rest}`;
}

function noteTable(notes: readonly Note[]): string {
  if (notes.length === 0) return "";
  const rows = notes.map(
    ({ atMs, detail }) => `<tr><td>${seconds(atMs)}</td><td>${escapeText(detail)}</td></tr>`,
  );
  return `<h2>Notes</h2>\n<table><tr><th>when</th><th>what</th></tr>${rows.join("\n")}</table>`;
}

function faultRow({ atMs, endMs, kind, nodes, detail, skipped, pastSuspicion }: FaultEvent): string {
  const what = skipped === undefined ? detail : `skipped: ${skipped}`;
  const past = pastSuspicion === true ? " (taken for dead)" : "";
  const cells = [seconds(atMs), seconds(endMs), kind, nodes.join(" "), what + past];
  return `<tr>${cells.map((cell) => `<td>${escapeText(cell)}</td>`).join("")}</tr>`;
}

function seconds(ms: number): string {
  return (ms / 1_000).toFixed(2);
}
