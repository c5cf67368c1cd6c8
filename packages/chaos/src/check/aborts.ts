/**
 * LevelDB ends its process by an assertion where flipped bits have put the keys of a table out of order. No promise is broken by
 * that: the next start salvages. So it is noted and not held against a node, if this run has flipped those bits and the node came back.
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

/** As the C library writes it: the place in LevelDB's source, and what was to hold there. */
const ASSERTION = /\/leveldb-[\d.]+\/(\S+?:\d+): .*Assertion `.+' failed\.$/;

export class Aborts {
  readonly notes: Note[] = [];
  readonly #events: Set<ProcessEvent | LogEvent> = new Set();

  constructor(history: History) {
    for (const [i, event] of history.processes.entries()) {
      if (event.event !== "ended" || event.expected || event.ending !== "SIGABRT") continue;
      const { node, atMs } = event;
      const line = lineOf(history, event, i);
      const place = line === undefined ? undefined : ASSERTION.exec(line.text)?.[1];
      const isBack = history.processes
        .slice(i)
        .some((later) => later.node === node && later.event === "started");
      if (line === undefined || !isBack || !isFlipped(history.faults, node, atMs)) continue;
      this.#events.add(event).add(line);
      const detail = `${node} was ended by LevelDB (${place}) after bits of its database had been flipped, and came back`;
      this.notes.push({ node, atMs, detail });
    }
  }

  /** Whether that is what the end of a process, or a line it has left, comes from. */
  explain(event: ProcessEvent | LogEvent): boolean {
    return this.#events.has(event);
  }
}

/** What the process said before it ended, and not the one before it. */
function lineOf({ processes, logs }: History, { node, atMs }: ProcessEvent, i: number): LogEvent | undefined {
  const before = processes
    .slice(0, i)
    .findLast((earlier) => earlier.node === node && earlier.event === "ended");
  return logs.findLast(
    (log) =>
      log.node === node && log.atMs <= atMs && log.atMs > (before?.atMs ?? -1) && ASSERTION.test(log.text),
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
