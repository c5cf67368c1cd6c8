/**
 * What the answering side owes the asking one for a transfer: what its merges show to differ from what was sent, and what was refused.
 *
 * The records that were sent do not bound it: one that is small may meet siblings that are not. So it is answered in parts, of which
 * each begins where the one before it ended. What was refused of a key comes with what is held of it, in one part. Until then only keys
 * and versions wait.
 */
import type { KeyedRecord, RefusedVersions, Version } from "@hearsay/core";
import type { ExchangeReplica, MergedBatch } from "./replica.ts";
import {
  differInSiblings,
  type ExchangeLimits,
  type ReadRecord,
  recordBytes,
  recordToSend,
  refusedBytes,
} from "./session.ts";

/** One key of it. */
export interface Owed {
  readonly key: string;
  readonly refused: readonly Version[];
}

/** What one answer brings. */
export interface AnswerPart {
  readonly records: ReadRecord[];
  readonly refused: readonly RefusedVersions[];
  readonly bytes: number;
  /** Where the next part begins; undefined when there is none. */
  readonly next: number | undefined;
}

/** At most one for each record that was sent. */
export function owedFor(sent: readonly KeyedRecord[], { merged, refused }: MergedBatch): readonly Owed[] {
  const owed = new Map<string, Owed>();
  for (const [position, { key, record }] of merged.entries()) {
    const offered = sent[position]?.record;
    if (record === undefined || offered === undefined || !differInSiblings(offered, record)) continue;
    owed.set(key, { key, refused: [] });
  }
  for (const { key, versions } of refused) {
    owed.set(key, { key, refused: [...(owed.get(key)?.refused ?? []), ...versions] });
  }
  return [...owed.values()];
}

/**
 * As much as fits into one message, the first key whatever it takes.
 * @throws PeerFault `busy`; see {@link recordToSend}
 */
export function partOf(
  replica: ExchangeReplica,
  owed: readonly Owed[],
  from: number,
  { maxMessageBytes, maxRecords }: ExchangeLimits,
): AnswerPart {
  const records: ReadRecord[] = [];
  const refused: RefusedVersions[] = [];
  let bytes = 0;
  let next = from;
  for (const { key, refused: versions } of owed.slice(from, from + maxRecords)) {
    const found = recordToSend(replica, key);
    let size = found === undefined ? 0 : recordBytes(key, found.record);
    if (versions.length > 0) size += refusedBytes({ key, versions });
    if (next > from && bytes + size > maxMessageBytes) break;
    bytes += size;
    next += 1;
    if (found !== undefined) records.push(found);
    if (versions.length > 0) refused.push({ key, versions });
  }
  return { records, refused, bytes, next: next < owed.length ? next : undefined };
}
