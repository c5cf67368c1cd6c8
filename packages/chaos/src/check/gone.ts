/** Ids that are gone at the end of a run which started nothing, and so cannot tell what became of them. */
import type { StatusEvent } from "../history/events.ts";
import type { History } from "../history/history.ts";
import { seconds } from "./at-end.ts";
import type { Note } from "./flipped.ts";
import { writerOf } from "./key-writes.ts";

/** An id answered at a node's address. */
interface Sighting {
  readonly id: string;
  readonly node: string;
  readonly atMs: number;
}

/** A run that has started the nodes knows what it has destroyed: there are none. */
export function goneIds(history: History): Set<string> {
  const { processes, statuses, settled } = history;
  if (processes.length > 0) return new Set();
  const last = new Map<string, StatusEvent>();
  for (const status of statuses) last.set(status.node, status);
  const left = new Set(settled.map(({ id }) => id));
  for (const { members } of last.values())
    for (const { id, state } of members) if (state === "alive") left.add(id);
  const seen = sightingsOf(history).map(({ id }) => id);
  return new Set(seen.filter((id) => !left.has(id)));
}

/** When each was seen last, and who answers in its place. */
export function* goneNotes(history: History, gone: ReadonlySet<string>): Generator<Note> {
  const sightings = sightingsOf(history);
  const first = new Map<string, Sighting>();
  for (const sighting of sightings) if (!first.has(sighting.id)) first.set(sighting.id, sighting);
  for (const id of gone) {
    const last = sightings.findLast((sighting) => sighting.id === id);
    if (last === undefined) continue;
    const { node, atMs } = last;
    const next = [...first.values()].find((other) => other.node === node && other.atMs > atMs);
    const heir =
      next === undefined
        ? "nobody has come in its place"
        : `${next.id} has answered in its place since ${seconds(next.atMs)}`;
    yield { node, atMs, detail: `${id} is gone: ${node} was it until ${seconds(atMs)}, and ${heir}` };
  }
}

/** In the order of time. */
function sightingsOf({ operations, writes, statuses }: History): Sighting[] {
  const found: Sighting[] = [...statuses];
  for (const { id, node, endMs: atMs } of operations) if (id !== undefined) found.push({ id, node, atMs });
  for (const { version, node, endMs: atMs } of writes)
    if (version !== undefined) found.push({ id: writerOf(version), node, atMs });
  return found.sort((a, b) => a.atMs - b.atMs);
}
