/** What is known of one key, and what one commit does to it. */
import { holds, type KeyRecord, type Sibling, type Version } from "@hearsay/core";
import type { EncodedPut } from "./codec.ts";
import { StoreError } from "./faults.ts";
import { graveyardKey, historyKey, indexKey, quarantineKey, recordKey } from "./keyspace.ts";
import type { Stored } from "./record-cache.ts";
import type { Summary } from "./summary.ts";
import type { Contribution } from "./tally.ts";

export type KeyState = Absent | Stored | Damaged;

export interface Absent {
  readonly kind: "absent";
}

export interface Damaged {
  readonly kind: "damaged";
  /** What the index says of the record; undefined when the index entry is damaged too. */
  readonly known: Summary | undefined;
  /** The fingerprints still contain it: it was found just now and is not in quarantine yet. */
  readonly counted: boolean;
  /** What was found instead of the record; empty if nothing. */
  readonly raw: Uint8Array;
}

export const ABSENT: KeyState = { kind: "absent" };

export interface Change {
  readonly key: string;
  readonly bucket: number;
  /** As committed before the group that holds this change. */
  readonly before: KeyState;
  readonly after: KeyState;
  /** `after` as it is stored; undefined where it is no record. */
  readonly value: Uint8Array | undefined;
  /** What the fingerprints lose and gain; computed while the batch is written. */
  loses: Contribution | undefined;
  gains: Contribution | undefined;
}

/** What became durable at once. */
export interface Commit {
  /** One more than that of the commit before, across restarts. */
  readonly sequence: number;
  /** One for each key; to be looked at in the call that hands them over. */
  readonly changes: Iterable<CommittedChange>;
}

export type CommittedChange = Pick<Change, "key" | "before" | "after">;

/** What the fingerprints contain because of this state. */
export function countedSummary(state: KeyState): Summary | undefined {
  if (state.kind === "record") return state.summary;
  return state.kind === "damaged" && state.counted ? state.known : undefined;
}

export function knownVersions(state: Damaged): readonly Version[] {
  return state.known?.versions ?? [];
}

export function damageError(key: string, damaged: Damaged): StoreError {
  return new StoreError({ code: "record_damaged", key, versions: knownVersions(damaged) });
}

/** The record of a state. @throws StoreError `record_damaged` */
export function recordOf(key: string, state: KeyState): KeyRecord | undefined {
  if (state.kind === "record") return state.record;
  if (state.kind === "absent") return undefined;
  throw damageError(key, state);
}

/** The siblings that the newer record does not hold any more. */
export function replacedBy(newer: KeyRecord, older: KeyRecord): readonly Sibling[] {
  return older.siblings.filter((sibling) => !holds(newer, sibling.version));
}

/** Whether a record may replace a damaged one: it covers all that the index knows was there. */
export function coversDamaged(record: KeyRecord, damaged: Damaged): boolean {
  return knownVersions(damaged).every((version) => (record.context.get(version.node) ?? -1) >= version.time);
}

/** From the newest state of a key to the next one. */
export interface Step {
  readonly keyBytes: Uint8Array;
  readonly bucket: number;
  readonly from: KeyState;
  readonly to: KeyState;
}

/** What takes operations on the database, in order. */
export interface Sink {
  put(key: Uint8Array, value: Uint8Array): void;
  del(key: Uint8Array): void;
}

export function writePut(sink: Sink, step: Step, encoded: EncodedPut): void {
  if (step.from.kind === "damaged") sink.del(quarantineKey(step.keyBytes));
  sink.put(encoded.databaseKey, encoded.value);
  sink.put(encoded.indexKey, encoded.indexValue);
  writeGrave(sink, step);
}

/** The record goes; its index entry stays as the memory of what is missing. */
export function writeQuarantine(sink: Sink, step: Step, raw: Uint8Array): void {
  sink.del(recordKey(step.keyBytes));
  sink.put(quarantineKey(step.keyBytes), raw);
  writeGrave(sink, step);
}

/** @param historySlots that are deleted, where the record has used them */
export function writeRemoval(sink: Sink, step: Step, historySlots: number): void {
  const { keyBytes, bucket, from } = step;
  if (from.kind === "damaged") sink.del(quarantineKey(keyBytes));
  sink.del(recordKey(keyBytes));
  sink.del(indexKey(bucket, keyBytes));
  // A damaged record does not say how many it has used.
  const used = from.kind === "record" ? Math.min(from.revision, historySlots) : historySlots;
  for (let slot = 0; slot < used; slot++) sink.del(historyKey(keyBytes, slot));
  writeGrave(sink, step);
}

function writeGrave(sink: Sink, { from, to, keyBytes }: Step): void {
  const left = countedSummary(from)?.purgeableFrom;
  const entered = countedSummary(to)?.purgeableFrom;
  if (left === entered) return;
  if (left !== undefined) sink.del(graveyardKey(left, keyBytes));
  if (entered !== undefined) sink.put(graveyardKey(entered, keyBytes), NOTHING);
}

const NOTHING = new Uint8Array(0);
