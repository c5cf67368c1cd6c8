/** The picture of a run: faults, processes, writes, convergence and lag, one above the other on one axis of time. */
import type { Violation } from "../check/violation.ts";
import type { FaultEvent } from "../history/events.ts";
import type { History } from "../history/history.ts";
import { FAULTS } from "../plan/faults.ts";
import { type Axis, CHART_HEIGHT, xOf } from "./axis.ts";
import { lagChart, writesChart } from "./charts.ts";
import { bar, element, label, line } from "./svg.ts";

const LEFT = 96;
const WIDTH = 1_100;
const ROW = 20;
const ROW_GAP = 4;
const SECTION_GAP = 34;
const AXIS = 12;

interface Part {
  readonly title: string;
  readonly height: number;
  /** Markup, drawn from y = 0 on. */
  readonly content: string;
}

export function timeline(history: History, violations: readonly Violation[]): string {
  const axis: Axis = { left: LEFT, width: WIDTH, endMs: Math.max(history.endMs, lastMs(history), 1) };
  const parts = [
    faultRows(history, axis),
    verdictRows(history, axis),
    { title: "Writes a second", height: CHART_HEIGHT, content: writesChart(history, axis) },
    { title: "Lag of the watermark, seconds", height: CHART_HEIGHT, content: lagChart(history, axis) },
    violationRows(violations, axis),
  ];
  let y = SECTION_GAP + AXIS;
  let content = "";
  for (const part of parts) {
    content += label(LEFT, y - 10, part.title, "title");
    content += element("g", { transform: `translate(0 ${y})` }, part.content);
    y += part.height + SECTION_GAP;
  }
  const height = y;
  const width = LEFT + WIDTH + 20;
  const frame = { viewBox: `0 0 ${width} ${height}`, role: "img", "aria-label": "Timeline of the run" };
  return element("svg", { xmlns: "http://www.w3.org/2000/svg", ...frame }, seconds(axis, height) + content);
}

function lastMs({ operations, statuses }: History): number {
  return Math.max(operations.at(-1)?.endMs ?? 0, statuses.at(-1)?.atMs ?? 0);
}

/** Lines of the axis, no more than a reader can tell apart. */
function seconds(axis: Axis, height: number): string {
  const TICKS_MAX = 14;
  const step = [1, 2, 5, 10, 20, 30, 60, 120, 300, 600, 1_800, 3_600].find(
    (one) => axis.endMs / 1_000 / one <= TICKS_MAX,
  );
  let content = "";
  for (let s = 0; s * 1_000 <= axis.endMs; s += step ?? 7_200) {
    const x = xOf(axis, s * 1_000);
    content += line(
      [
        [x, 18],
        [x, height - 10],
      ],
      "tick",
    );
    content += label(x + 3, 12, `${s} s`, "axis");
  }
  return content;
}

const GROUPS: ReadonlyMap<string, string> = new Map(FAULTS.map(({ name, group }) => [name, group]));

/** The network has a row, and each node one for what happened to it. */
function faultRows({ faults, begin, processes }: History, axis: Axis): Part {
  const nodes = begin?.nodes ?? [];
  let content = "";
  const rows = ["network", ...nodes];
  for (const [i, row] of rows.entries()) {
    const y = i * (ROW + ROW_GAP);
    content += label(8, y + 14, row);
    content += element("rect", { x: axis.left, y, width: axis.width, height: ROW, class: "lane" });
  }
  for (const [i, node] of nodes.entries()) {
    const y = (i + 1) * (ROW + ROW_GAP);
    for (const [fromMs, toMs] of downTimes(processes, node, axis.endMs))
      content += bar(span(axis, fromMs, toMs, y), "down", `${node} is down`);
  }
  for (const fault of faults) {
    if (fault.skipped !== undefined) continue;
    const group = GROUPS.get(fault.kind) ?? "process";
    const places = group === "network" ? [0] : fault.nodes.map((node) => nodes.indexOf(node) + 1);
    for (const place of places) {
      const y = place * (ROW + ROW_GAP);
      content += bar(
        { ...span(axis, fault.atMs, fault.endMs, y + 4), height: ROW - 8 },
        `fault ${group}`,
        hintOf(fault),
      );
    }
  }
  return { title: "Faults, and when nodes were down", height: rows.length * (ROW + ROW_GAP), content };
}

function* downTimes(
  processes: History["processes"],
  node: string,
  endMs: number,
): Generator<readonly [number, number]> {
  let downMs: number | undefined;
  for (const { atMs, event, node: of } of processes) {
    if (of !== node || event === "not_back") continue;
    if (event === "ended") downMs ??= atMs;
    else if (downMs !== undefined) {
      yield [downMs, atMs];
      downMs = undefined;
    }
  }
  if (downMs !== undefined) yield [downMs, endMs];
}

function hintOf({ kind, atMs, endMs, detail, pastSuspicion }: FaultEvent): string {
  const past = pastSuspicion === true ? ", taken for dead" : "";
  return `${kind} ${(atMs / 1_000).toFixed(1)} to ${(endMs / 1_000).toFixed(1)} s: ${detail}${past}`;
}

/** What each node said of the whole, until it said something else. */
function verdictRows({ verdicts, begin }: History, axis: Axis): Part {
  const nodes = begin?.nodes ?? [];
  let content = "";
  for (const [i, node] of nodes.entries()) {
    const y = i * (ROW + ROW_GAP);
    content += label(8, y + 14, node);
    const said = verdicts.filter((verdict) => verdict.node === node);
    for (const [k, { atMs, verdict }] of said.entries()) {
      const toMs = said[k + 1]?.atMs ?? atMs + 500;
      content += bar(
        span(axis, atMs, toMs, y),
        `verdict ${verdict}`,
        `${node} said ${verdict} at ${(atMs / 1_000).toFixed(1)} s`,
      );
    }
  }
  return { title: "What each node says of all", height: nodes.length * (ROW + ROW_GAP), content };
}

/** What is missed at the end is seen there, whenever it went: so the time from which on it can have gone has a row too. */
function violationRows(violations: readonly Violation[], axis: Axis): Part {
  const below = ROW + ROW_GAP;
  let content = "";
  for (const y of [0, below])
    content += element("rect", { x: axis.left, y, width: axis.width, height: ROW, class: "lane" });
  content += label(8, 14, `${violations.length === 0 ? "none" : violations.length} seen`);
  content += label(8, below + 14, "acknowledged");
  for (const { atMs, acknowledgedMs: ms, code, detail } of violations) {
    content += bar(span(axis, atMs, atMs, 0), "violation", `${code}: ${detail}`);
    if (ms !== undefined) content += bar(span(axis, ms, ms, below), "undone", `${code}: ${detail}`);
  }
  return { title: "Violations", height: 2 * below, content };
}

function span(
  axis: Axis,
  fromMs: number,
  toMs: number,
  y: number,
): { x: number; y: number; width: number; height: number } {
  const x = xOf(axis, fromMs);
  return { x, y, width: xOf(axis, toMs) - x, height: ROW };
}
