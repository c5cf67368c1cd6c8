/**
 * How flipped bits end a process without breaking a promise. LevelDB ends it by an assertion where they have put the keys of a table out
 * of order: the next start salvages. Or a start refuses a directory of which it cannot read what the node has to know of itself, and
 * asks for an empty one, in which the others put what they hold. So that is noted and not held against a node, if this run has flipped
 * those bits and the node came back.
 */
import type { FaultEvent, LogEvent, ProcessEvent } from "../history/events.ts";
import type { History } from "../history/history.ts";

/** What is told and held against nobody. */
export interface Note {
  readonly node: string;
  readonly atMs: number;
  /** A sentence with the facts. */
  readonly detail: string;
}

/** A start over a directory that has lost what nothing can make up for: its `StartError`. */
export const UNREADABLE: RegExp =
  /: (?:the identity of its node|how far its clock has run|what it knows of its cluster) cannot be read$/;

interface Way {
  readonly ending: string;
  /** What the process said before. */
  readonly line: RegExp;
  describe(node: string, line: string): string;
}

const WAYS: readonly Way[] = [
  {
    ending: "SIGABRT",
    // As the C library writes it: the place in LevelDB's source, and what was to hold there.
    line: /\/leveldb-[\d.]+\/(\S+?:\d+): .*Assertion `.+' failed\.$/,
    describe(node, line) {
      const place = this.line.exec(line)?.[1];
      return `${node} was ended by LevelDB (${place}) after bits of its database had been flipped, and came back`;
    },
  },
  {
    ending: "code 1",
    line: UNREADABLE,
    describe: (node) =>
      `${node} refused a directory of which bits had been flipped, and came back with an empty one`,
  },
];

export class Flipped {
  readonly notes: Note[] = [];
  readonly #events: Set<ProcessEvent | LogEvent> = new Set();

  constructor(history: History) {
    for (const [i, event] of history.processes.entries()) {
      const way = WAYS.find(({ ending }) => ending === event.ending);
      if (way === undefined || event.event !== "ended" || event.expected) continue;
      const { node, atMs } = event;
      const line = lineOf(history, event, i, way);
      const isBack = history.processes
        .slice(i)
        .some((later) => later.node === node && later.event === "started");
      if (line === undefined || !isBack || !isFlipped(history.faults, node, atMs)) continue;
      this.#events.add(event).add(line);
      this.notes.push({ node, atMs, detail: way.describe(node, line.text) });
    }
  }

  /** Whether that is what the end of a process, or a line it has left, comes from. */
  explain(event: ProcessEvent | LogEvent): boolean {
    return this.#events.has(event);
  }
}

/** What the process said before it ended, and not the one before it. */
function lineOf(
  { processes, logs }: History,
  { node, atMs }: ProcessEvent,
  i: number,
  way: Way,
): LogEvent | undefined {
  const before = processes
    .slice(0, i)
    .findLast((earlier) => earlier.node === node && earlier.event === "ended");
  return logs.findLast(
    (log) =>
      log.node === node && log.atMs <= atMs && log.atMs > (before?.atMs ?? -1) && way.line.test(log.text),
  );
}

/** In the directory that the node has: one that was lost since has taken the bits with it. */
function isFlipped(faults: readonly FaultEvent[], name: string, atMs: number): boolean {
  const done = faults.filter(({ nodes, skipped }) => nodes.includes(name) && skipped === undefined);
  return done.some(
    (flip) =>
      flip.kind === "flip-bits" &&
      flip.atMs <= atMs &&
      !done.some((loss) => loss.kind === "disk-lost" && loss.atMs >= flip.endMs && loss.endMs <= atMs),
  );
}
