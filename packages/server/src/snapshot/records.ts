/**
 * The records of a snapshot, each key once. In the stream keys come in byte order first; then keys that changed
 * while it was written come again, and the last occurrence of a key counts. So a first pass checks the whole
 * stream and remembers the keys that are out of order, and a second one gives what counts: nothing is given before
 * all of it is known to be sound.
 */
import { createReadStream } from "node:fs";
import { compareKeys, type HlcTime, isLive, type KeyRecord, latestTime, winner } from "@hearsay/core";
import { readSnapshot, StoreError } from "@hearsay/store";
import { hashing } from "../machine/hashing.ts";

export interface SnapshotRecord {
  readonly key: string;
  readonly record: KeyRecord;
}

/** Keys that may come again; more than any setting lets a writer repeat. */
const REPEATED_MAX_KEYS = 10_000_000;

/** Refuses a record by what it throws. */
export type Inspect = (item: SnapshotRecord) => void;

/**
 * @param inspect sees each record of the stream before the first one is given
 * @throws StoreError `snapshot_truncated`, `snapshot_corrupt`, before the first record is given
 */
export async function* snapshotRecords(path: string, inspect?: Inspect): AsyncGenerator<SnapshotRecord> {
  const { lastPlaces } = await checkSnapshot(path, inspect);
  let place = 0;
  for await (const item of readSnapshot(createReadStream(path), hashing)) {
    if (item.kind === "end") return;
    const last = lastPlaces.get(item.key) ?? place;
    if (item.kind === "record" && last === place) yield { key: item.key, record: item.record };
    place += 1;
  }
}

async function checkSnapshot(
  path: string,
  inspect?: Inspect,
): Promise<{ readonly lastPlaces: ReadonlyMap<string, number>; readonly damaged: number }> {
  const lastPlaces = new Map<string, number>();
  let damaged = 0;
  let place = 0;
  let greatest: string | undefined;
  for await (const item of readSnapshot(createReadStream(path), hashing)) {
    if (item.kind === "record") inspect?.(item);
    if (item.kind === "end") {
      damaged = item.damaged;
    } else if (greatest === undefined || compareKeys(item.key, greatest) > 0) {
      greatest = item.key;
    } else {
      lastPlaces.set(item.key, place);
      if (lastPlaces.size > REPEATED_MAX_KEYS) {
        throw new StoreError({ code: "snapshot_corrupt", detail: "too many keys are out of order" });
      }
    }
    place += 1;
  }
  return { lastPlaces, damaged };
}

export interface SnapshotSummary {
  /** Keys with a record, deleted ones included. */
  readonly records: number;
  /** Keys that read as having a value. */
  readonly values: number;
  readonly valueBytes: number;
  /** Keys with more than one sibling. */
  readonly conflicts: number;
  /** The greatest time anywhere in it; 0 when it is empty. */
  readonly newest: HlcTime;
  /** Records of its store that were damaged, and so are not in it. */
  readonly damaged: number;
}

/** Checks a snapshot file whole. @throws StoreError `snapshot_truncated`, `snapshot_corrupt`; the file system's error */
export async function inspectSnapshot(path: string, nowMs: number): Promise<SnapshotSummary> {
  const { damaged } = await checkSnapshot(path);
  let records = 0;
  let values = 0;
  let valueBytes = 0;
  let conflicts = 0;
  let newest: HlcTime = 0;
  for await (const { record } of snapshotRecords(path)) {
    records += 1;
    newest = Math.max(newest, latestTime(record));
    if (record.siblings.length > 1) conflicts += 1;
    const sibling = winner(record);
    if (!isLive(sibling, nowMs)) continue;
    values += 1;
    valueBytes += sibling.bytes.length;
  }
  return { records, values, valueBytes, conflicts, newest, damaged };
}

/**
 * Hands the parts of a snapshot on, each before it is checked, and says how many damaged records are not in it.
 * @throws StoreError `snapshot_truncated`, `snapshot_corrupt`; what `parts` and `handOn` throw
 */
export async function passSnapshot(
  parts: AsyncIterable<Uint8Array>,
  handOn: (part: Uint8Array) => Promise<void>,
): Promise<number> {
  async function* passing(): AsyncGenerator<Uint8Array> {
    for await (const part of parts) {
      await handOn(part);
      yield part;
    }
  }
  let damaged = 0;
  for await (const item of readSnapshot(passing(), hashing)) if (item.kind === "end") damaged = item.damaged;
  return damaged;
}
