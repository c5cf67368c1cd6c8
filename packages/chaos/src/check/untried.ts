/** Kinds of fault of which none came about: what nodes do under them was not tested, whatever held. */
import type { FaultEvent } from "../history/events.ts";
import type { History } from "../history/history.ts";
import type { Note } from "./flipped.ts";
import { grouped } from "./grouped.ts";
import type { Violation } from "./violation.ts";

/** Those that were asked for by name: whoever did that wants to know what comes of them. */
export function* untried(history: History): Generator<Violation> {
  const { begin, endMs, isInterrupted, faults } = history;
  if (endMs === 0 || isInterrupted) return;
  for (const kind of begin?.asked ?? []) {
    const of = faults.filter((fault) => fault.kind === kind);
    if (of.some(cameAbout)) continue;
    const why =
      of.length === 0
        ? "none came up in this time: give it more, or another seed"
        : `${of.length} skipped: ${reasonsOf(of)}`;
    const detail = `no ${kind} came about, though it was asked for (${why})`;
    yield { code: "unfinished", node: "", atMs: endMs, detail };
  }
}

/** Those that came with all the others, and were skipped each time. */
export function* skippedThroughout({ begin, faults }: History): Generator<Note> {
  for (const [kind, of] of grouped(faults, ({ kind }) => kind)) {
    if (of.some(cameAbout) || begin?.asked?.includes(kind)) continue;
    const detail = `no ${kind} came about (${of.length} skipped: ${reasonsOf(of)})`;
    yield { node: "", atMs: of[0]?.atMs ?? 0, detail };
  }
}

function cameAbout({ skipped }: FaultEvent): boolean {
  return skipped === undefined;
}

function reasonsOf(faults: readonly FaultEvent[]): string {
  return [...new Set(faults.map(({ skipped }) => skipped))].join("; ");
}
