import { type Findings, type History, headlineOf, lateOf, summarize } from "@hearsay/chaos";
import { type Printer, shownKey } from "../printer.ts";
import { quantity } from "../quantity.ts";

/** Violations that are printed, and notes; the report has all. */
const SHOWN_MAX = 20;

export async function printFindings(
  print: Printer,
  history: History,
  findings: Findings,
  report: string | undefined,
): Promise<void> {
  const summary = summarize(history, findings);
  const { violations, notes } = findings;
  if (print.json) {
    const ok = violations.length === 0;
    await print.document({ ok, ...summary, violations, notes, report: report ?? null });
    return;
  }
  const { writes, reads, receipts, faults, kills, pausesPastSuspicion, settledMs } = summary;
  const rows = [
    [
      "work",
      `${writes.acknowledged} writes acknowledged, ${writes.unknown} uncertain, ${writes.refused} refused; ${reads.answered} reads, ${reads.refused} failed; ${receipts.answered} receipts, ${receipts.refused} failed; ${quantity(summary.keys, "key")}`,
    ],
    [
      "faults",
      faults
        .map(({ kind, done, skipped }) => `${done} ${kind}${skipped > 0 ? ` (${skipped} skipped)` : ""}`)
        .join(", ") || "none",
    ],
    ["kills", `${kills} with SIGKILL; ${pausesPastSuspicion} pauses past suspicion`],
    ["agreed", settledMs === null ? lateOf(summary) : `within ${(settledMs / 1000).toFixed(1)} s`],
    [
      "excused",
      `${summary.destroyed} whose only holder lost its data, ${summary.uncertain} by uncertain writes, of ${summary.looked} looked for`,
    ],
  ];
  for (const [name = "", text = ""] of rows) await print.line(`${name.padEnd(8)} ${text}`);
  for (const { detail } of notes.slice(0, SHOWN_MAX)) await print.line(`note: ${detail}`);
  if (notes.length > SHOWN_MAX) await print.line(`and ${notes.length - SHOWN_MAX} more notes`);
  if (violations.length === 0 || summary.interrupted) await print.line(headlineOf(summary));
  for (const { code, key, detail } of summary.interrupted ? [] : violations.slice(0, SHOWN_MAX)) {
    await print.line(`${code}: ${detail}${key === undefined ? "" : ` (${shownKey(key)})`}`);
  }
  if (violations.length > SHOWN_MAX) await print.line(`and ${violations.length - SHOWN_MAX} more`);
  if (report !== undefined) await print.note(`Report: ${report}/report.html`);
}
