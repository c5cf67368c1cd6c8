/** Nodes whose data was destroyed, and which writes that excuses. */
import type { StatusEvent } from "../history/events.ts";
import type { History } from "../history/history.ts";
import { type KnownWrite, type WritesByKey, writerOf } from "./key-writes.ts";

interface Loss {
  readonly atMs: number;
  /** Everything the node acknowledged up to this version was on all members. */
  readonly keptThrough: string | undefined;
}

export class Losses {
  readonly #byId: Map<string, Loss> = new Map();
  readonly #writes: WritesByKey;

  /** @param gone ids that answered during the run and are no members at its end, although no fault explains it */
  constructor(history: History, writes: WritesByKey, gone: Iterable<string>) {
    this.#writes = writes;
    for (const id of gone) this.#byId.set(id, { atMs: 0, keptThrough: undefined });
    for (const { lostId, atMs, keptThrough } of history.faults) {
      if (lostId !== undefined) this.#byId.set(lostId, { atMs, keptThrough });
    }
  }

  /** Whether claims about the writes of this id may have become void by then. */
  isLost(id: string, byMs: number): boolean {
    const loss = this.#byId.get(id);
    return loss !== undefined && loss.atMs <= byMs;
  }

  /** Only its coordinator is known to have held it, and that one's data was destroyed. */
  excuses({ event, version }: KnownWrite): boolean {
    if (version === undefined) return false;
    const writer = writerOf(version);
    const loss = this.#byId.get(writer);
    if (loss === undefined || (event.acks ?? 1) > 1) return false;
    if (loss.keptThrough !== undefined && version <= loss.keptThrough) return false;
    return [...this.#writes.shownBy(version)].every((id) => this.#byId.has(id));
  }
}

/** A run that started nothing cannot tell what became of an id that is gone; the others know what they destroyed. */
export function goneIds({ processes, operations, writes, statuses, settled }: History): Set<string> {
  if (processes.length > 0) return new Set();
  const last = new Map<string, StatusEvent>();
  for (const status of statuses) last.set(status.node, status);
  const left = new Set(settled.map(({ id }) => id));
  for (const { members } of last.values())
    for (const { id, state } of members) if (state === "alive") left.add(id);
  const seen = [
    ...operations.flatMap(({ id }) => (id === undefined ? [] : [id])),
    ...writes.flatMap(({ version }) => (version === undefined ? [] : [writerOf(version)])),
    ...statuses.map(({ id }) => id),
  ];
  return new Set(seen.filter((id) => !left.has(id)));
}
