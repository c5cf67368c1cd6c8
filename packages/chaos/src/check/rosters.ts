/** Whom nodes counted as members, as far as that is known. */
import type { StatusEvent } from "../history/events.ts";
import type { History } from "../history/history.ts";
import { grouped } from "./grouped.ts";

export class Rosters {
  readonly #statuses: ReadonlyMap<string, readonly StatusEvent[]>;
  readonly #processes: History["processes"];

  constructor({ statuses, processes }: History) {
    this.#statuses = grouped(statuses, ({ node }) => node);
    this.#processes = processes;
  }

  /**
   * Those whom a node counted from one moment to another: whom it listed before and listed afterwards, because a retired id stays
   * retired. Empty when it was not asked before and afterwards, or ended in between: in the end a process may have taken with it whom it
   * had just heard of.
   */
  counted(node: string, id: string, fromMs: number, toMs: number): ReadonlySet<string> {
    const statuses = this.#statuses.get(node) ?? [];
    const before = statuses.findLast(({ atMs }) => atMs <= fromMs);
    const after = statuses.find(({ askedMs = Number.NEGATIVE_INFINITY }) => askedMs >= toMs);
    if (before?.id !== id || after?.id !== id) return new Set();
    const beganMs = before.askedMs ?? Number.NEGATIVE_INFINITY;
    const isBroken = this.#processes.some(
      (process) => process.node === node && process.atMs >= beganMs && process.atMs <= after.atMs,
    );
    if (isBroken) return new Set();
    const later = new Set(after.members.map((member) => member.id));
    return new Set(before.members.map((member) => member.id).filter((member) => later.has(member)));
  }
}
