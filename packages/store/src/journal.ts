/** The ring of commit sequences: what tells a database that lost batches from one that is whole. */
import type { Codec } from "./codec.ts";
import type { DatabaseHandle } from "./database-handle.ts";
import { JOURNAL_SLOTS, journalKey, SPACE, spaceRange, successor } from "./keyspace.ts";

export interface JournalReport {
  /** The newest sequence there is; 0 for an empty journal. */
  readonly newest: number;
  /** Every sequence that the ring should still hold, from `base` on, is there. */
  readonly whole: boolean;
}

/** Counting one commit each microsecond would take a century to get there. */
const SEQUENCE_MAX = 2 ** 52;

/** Whether a number can be a sequence, or 0 for none yet. */
export function isSequence(number: number): boolean {
  return Number.isInteger(number) && number >= 0 && number <= SEQUENCE_MAX;
}

/** @param base sequences before it are not looked for */
export async function readJournal(
  handle: DatabaseHandle,
  codec: Codec,
  base: number,
): Promise<JournalReport> {
  const sequences = new Set<number>();
  let newest = 0;
  let range = spaceRange(SPACE.journal);
  for (;;) {
    const { entries, exhausted } = await handle.read(range);
    for (const [key, value] of entries) {
      const sequence = codec.decodeSequence(key, value) ?? 0;
      sequences.add(sequence);
      newest = Math.max(newest, sequence);
    }
    const last = entries.at(-1);
    if (exhausted || last === undefined) break;
    range = { ...range, gte: successor(last[0]) };
  }
  for (let sequence = Math.max(1, base, newest - JOURNAL_SLOTS + 1); sequence <= newest; sequence++) {
    if (!sequences.has(sequence)) return { newest, whole: false };
  }
  return { newest, whole: true };
}

export function journalHolds(handle: DatabaseHandle, codec: Codec, sequence: number): boolean {
  const key = journalKey(sequence);
  const value = handle.get(key);
  return value !== undefined && codec.decodeSequence(key, value) === sequence;
}
