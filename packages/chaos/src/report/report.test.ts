import { describe, expect, it } from "vitest";
import { check } from "../check/check.ts";
import { idOf, seen, ToldHistory } from "../check/told-history.contract.ts";
import { History } from "../history/history.ts";
import { formatLine, readHistory } from "../history/lines.ts";
import { htmlReport } from "./html.ts";
import { markdownReport } from "./markdown.ts";
import { summarize } from "./summary.ts";

function told(): ToldHistory {
  const history = new ToldHistory();
  const write = history.put("n1", "<b>&");
  history.put("n2", "a", { outcome: "unknown", version: undefined });
  history.receipt("n2", write, ["n1"]);
  history.receipt("n2", write, [], { outcome: "none", code: "unreachable", holders: undefined });
  history.fault({ kind: "pause", pastSuspicion: true });
  history.fault({ kind: "kill", kills: 2 });
  history.fault({ kind: "disk-full", skipped: "not root" });
  history.fault({ kind: "partition", nodes: ["n1", "n2", "n3"], detail: "halves n1 | n2 n3" });
  history.watermark("n1");
  history.tell({ type: "verdict", atMs: 900, node: "n1", verdict: "converged", keys: null });
  history.final("<b>&", [seen(write)], ["n1", "n2"]);
  history.final("<b>&", [], ["n3"]);
  history.tell({ type: "settled", node: "n1", id: idOf("n1"), afterMs: 1_234, detail: "" });
  history.tell({ type: "end", atMs: 3_000 });
  return history;
}

describe("the report", () => {
  const history = History.of(told().events);
  const findings = check(history);
  const summary = summarize(history, findings);

  it("counts what happened", () => {
    expect(summary).toMatchObject({
      writes: { acknowledged: 1, unknown: 1, refused: 0 },
      receipts: { answered: 1, refused: 1 },
      kills: 2,
      pausesPastSuspicion: 1,
      settledMs: 1_234,
      looked: 3,
    });
    expect(summary.violations).toEqual({ lost: 1, diverged: 1, watermark_false: 1 });
    expect(summary.faults).toContainEqual({ kind: "disk-full", done: 0, skipped: 1 });
  });

  it("is a page of its own in which nothing is markup that came from outside", () => {
    const page = htmlReport(history, findings, summary);
    expect(page).not.toContain("<b>&");
    expect(page).toContain("&lt;b&gt;&amp;");
    expect(page).not.toMatch(/(?:src|href)=/);
    expect(page.replace('xmlns="http://www.w3.org/2000/svg"', "")).not.toContain("http");
    for (const part of ["verdict converged", "fault network", "fault process", "lag lag0", "write unknown"])
      expect(page).toContain(part);
    expect(page.match(/class="violation"/g)?.length).toBeGreaterThan(findings.violations.length);
  });

  it("marks what was lost also where it was acknowledged, as that it is gone is seen at the end only", () => {
    const lost = findings.violations.find(({ code }) => code === "lost");
    expect(lost).toMatchObject({ acknowledgedMs: history.writes[0]?.endMs });
    const page = htmlReport(history, findings, summary);
    // From 96 to 1196 lie the 3 s of the run: 200 ms of them until the acknowledgement, and 1,900 until n3 had been read.
    expect(page).toContain('<rect x="169.33" y="24" width="1.5" height="20" class="undone"><title>lost: ');
    expect(page).toContain('<rect x="792.67" y="0" width="1.5" height="20" class="violation"><title>lost: ');
    expect(page).toContain("when what is lost or was undone had been acknowledged");
  });

  it("is also text, with the command that repeats the run", () => {
    const text = markdownReport(history, findings, summary);
    expect(text).toContain("hearsay chaos --seed 1");
    expect(text).toContain("halves n1 \\| n2 n3");
    expect(text).toContain("| lost |");
    expect(text).toContain("| receipts | 1 answered, 1 failed |");
    expect(text).toContain("| 1.10 | no disk-full came about (1 skipped: not root) |");
    expect(markdownReport(history, { ...findings, notes: [] }, summary)).not.toContain("## Notes");
  });

  it("tells what is noted", () => {
    const noted = { ...findings, notes: [{ node: "n1", atMs: 5, detail: "n1 was ended <by>" }] };
    expect(htmlReport(history, noted, summary)).toContain("<td>n1 was ended &lt;by&gt;</td>");
    expect(markdownReport(history, noted, summary)).toContain(
      "## Notes\n\n| when | what |\n|---|---|\n| 0.01 |",
    );
  });

  it("gives no verdict over a run that was interrupted, and tells what it would have held against the nodes", async () => {
    const stopped = told();
    stopped.events.pop();
    stopped.tell({ type: "interrupted", atMs: 2_000 });
    const cut = await readHistory(stopped.events.map(formatLine));
    const found = check(cut);
    expect(found.violations).toEqual([
      { code: "unfinished", node: "", atMs: 2_000, detail: "the run was interrupted before its end" },
    ]);
    const unjudged = "not judged, as the run was interrupted: lost: n3 has no record of the key";
    expect(found.notes.map(({ detail }) => detail)).toContainEqual(expect.stringContaining(unjudged));
    const said = "Interrupted after 2 s: nothing can be said to have held.";
    expect(markdownReport(cut, found, summarize(cut, found))).toContain(`\n${said}\n`);
    expect(htmlReport(cut, found, summarize(cut, found))).toContain(said);
  });

  it("comes out the same from the lines of the history, in whatever parts those come", async () => {
    const text = told().events.map(formatLine).join("");
    for (const parts of [[text], text, text.match(/[\s\S]{1,700}/g) ?? []])
      expect(check(await readHistory(parts))).toEqual(findings);
    const wrong: readonly (readonly [string, string])[] = [
      ['{"type":"begin"}\nnonsense\n', "line 2 of the history is no JSON"],
      ['{"type":"other"}', "line 1 of the history is no event"],
      ["", "line 1 of the history does not begin a run"],
    ];
    for (const [part, message] of wrong) await expect(readHistory([part])).rejects.toThrow(message);
  });

  it("tells of a history whose last line is not whole that it breaks off", async () => {
    const text = told().events.map(formatLine).join("");
    const { violations } = check(await readHistory([text.slice(0, -3)]));
    expect(violations.map(({ code }) => code)).toContain("unfinished");
  });
});
