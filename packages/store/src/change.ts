/** What is known of one key, and what one commit does to it. */
import type { Version } from "@hearsay/core";
import type { EncodedPut } from "./codec.ts";
import { graveyardKey, historyKey, indexKey, quarantineKey, recordKey } from "./keyspace.ts";
import type { Stored } from "./record-cache.ts";
import type { Summary } from "./summary.ts";
import type { Contribution } from "./tally.ts";

export type KeyState =
  | { readonly kind: "absent" }
  | { readonly kind: "record"; readonly stored: Stored }
  | Damaged;

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

export interface Operation {
  readonly key: Uint8Array;
  /** Undefined deletes. */
  readonly value: Uint8Array | undefined;
}

export interface Change {
  readonly key: string;
  readonly bucket: number;
  /** As committed before the group that holds this change. */
  readonly before: KeyState;
  readonly after: KeyState;
  readonly operations: readonly Operation[];
  readonly bytes: number;
  /** What the fingerprints lose and gain; computed while the batch is written. */
  loses: Contribution | undefined;
  gains: Contribution | undefined;
}

/** What the fingerprints contain because of this state. */
export function countedSummary(state: KeyState): Summary | undefined {
  if (state.kind === "record") return state.stored.summary;
  return state.kind === "damaged" && state.counted ? state.known : undefined;
}

export function knownVersions(state: Damaged): readonly Version[] {
  return state.known?.versions ?? [];
}

export interface ChangeInput {
  readonly key: string;
  readonly keyBytes: Uint8Array;
  readonly bucket: number;
  readonly before: KeyState;
  readonly after: KeyState;
  /** What an `after` that is a record writes. */
  readonly encoded: EncodedPut | undefined;
  /** The slots of history that a removal deletes, where the record has used them. */
  readonly historySlots: number;
}

export function makeChange(input: ChangeInput): Change {
  const { key, bucket, before, after } = input;
  const operations: Operation[] = [];
  addStateOperations(input, operations);
  addGraveyardOperations(input, operations);
  let bytes = 0;
  for (const operation of operations) bytes += operation.key.length + (operation.value?.length ?? 0);
  return { key, bucket, before, after, operations, bytes, loses: undefined, gains: undefined };
}

function addStateOperations(input: ChangeInput, operations: Operation[]): void {
  const { keyBytes, bucket, before, after, encoded } = input;
  if (before.kind === "damaged" && after.kind !== "damaged") {
    operations.push({ key: quarantineKey(keyBytes), value: undefined });
  }
  if (encoded !== undefined) {
    operations.push({ key: encoded.databaseKey, value: encoded.value });
    operations.push({ key: encoded.indexKey, value: encoded.indexValue });
    return;
  }
  operations.push({ key: recordKey(keyBytes), value: undefined });
  if (after.kind === "damaged") {
    operations.push({ key: quarantineKey(keyBytes), value: after.raw });
    return;
  }
  operations.push({ key: indexKey(bucket, keyBytes), value: undefined });
  const used = before.kind === "record" ? Math.min(before.stored.revision, input.historySlots) : 0;
  for (let slot = 0; slot < used; slot++) {
    operations.push({ key: historyKey(keyBytes, slot), value: undefined });
  }
}

function addGraveyardOperations({ before, after, keyBytes }: ChangeInput, operations: Operation[]): void {
  const left = countedSummary(before)?.purgeableFrom;
  const entered = countedSummary(after)?.purgeableFrom;
  if (left === entered) return;
  if (left !== undefined) operations.push({ key: graveyardKey(left, keyBytes), value: undefined });
  if (entered !== undefined) {
    operations.push({ key: graveyardKey(entered, keyBytes), value: new Uint8Array(0) });
  }
}
