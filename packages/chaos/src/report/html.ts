import type { Findings } from "../check/check.ts";
import type { History } from "../history/history.ts";
import { verdictOf } from "./markdown.ts";
import type { Summary } from "./summary.ts";

export function htmlReport(_history: History, { violations }: Findings, _summary: Summary): string {
  return verdictOf(violations.length);
}
