/** Numbers over time. */
import type { History } from "../history/history.ts";
import { type Axis, CHART_HEIGHT, xOf } from "./axis.ts";
import { element, label, line } from "./svg.ts";

/** Columns of a chart at most; a column stands for a second or more. */
const COLUMNS_MAX = 220;

const OUTCOMES = ["ok", "unknown", "none"] as const;

/** Stacked columns: acknowledged, uncertain, refused. */
export function writesChart({ writes }: History, axis: Axis): string {
  const columnMs = Math.max(1_000, axis.endMs / COLUMNS_MAX);
  const columns = Array.from({ length: Math.ceil(axis.endMs / columnMs) }, () => ({
    ok: 0,
    unknown: 0,
    none: 0,
  }));
  for (const { endMs, outcome } of writes) {
    const column = columns[Math.min(Math.floor(endMs / columnMs), columns.length - 1)];
    if (column !== undefined) column[outcome] += 1_000 / columnMs;
  }
  const most = Math.max(1, ...columns.map(({ ok, unknown, none }) => ok + unknown + none));
  let content = scale(axis, most);
  for (const [i, column] of columns.entries()) {
    let y = CHART_HEIGHT;
    const x = xOf(axis, i * columnMs);
    const width = xOf(axis, (i + 1) * columnMs) - x;
    for (const outcome of OUTCOMES) {
      const height = (column[outcome] / most) * CHART_HEIGHT;
      if (height === 0) continue;
      y -= height;
      content += element("rect", {
        x,
        y,
        width: Math.max(width - 0.5, 0.5),
        height,
        class: `write ${outcome}`,
      });
    }
  }
  return content;
}

/** A line for each node. */
export function lagChart({ statuses, begin }: History, axis: Axis): string {
  const most = Math.max(1, ...statuses.map(({ watermarkAgeMs }) => (watermarkAgeMs ?? 0) / 1_000));
  let content = scale(axis, most);
  for (const [i, node] of (begin?.nodes ?? []).entries()) {
    const points = statuses
      .filter((status) => status.node === node)
      .map(({ atMs, watermarkAgeMs }): readonly [number, number] | undefined =>
        watermarkAgeMs === null
          ? undefined
          : [xOf(axis, atMs), CHART_HEIGHT * (1 - watermarkAgeMs / 1_000 / most)],
      );
    content += line(points, `lag lag${i % LINES}`);
  }
  return content;
}

/** Lines that are told apart by colour. */
const LINES = 5;

function scale({ left, width }: Axis, most: number): string {
  const top = most >= 10 ? String(Math.round(most)) : most.toFixed(1);
  return (
    element("rect", { x: left, y: 0, width, height: CHART_HEIGHT, class: "lane" }) +
    label(8, 10, top, "axis") +
    label(8, CHART_HEIGHT, "0", "axis")
  );
}
