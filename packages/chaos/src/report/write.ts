import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import type { Findings } from "../check/check.ts";
import type { History } from "../history/history.ts";
import { htmlReport } from "./html.ts";
import { markdownReport } from "./markdown.ts";
import { summarize } from "./summary.ts";

/** `report.html` and `report.md`. @throws the system's error where one of them is there already */
export async function writeReport(directory: string, history: History, findings: Findings): Promise<void> {
  const summary = summarize(history, findings);
  const isNew = { flag: "wx" };
  await writeFile(join(directory, "report.html"), htmlReport(history, findings, summary), isNew);
  await writeFile(join(directory, "report.md"), markdownReport(history, findings, summary), isNew);
}
