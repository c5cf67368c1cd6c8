/** What the rest of the store needs of a record without reading it; the value of an index entry. */
import { type HlcTime, type KeyRecord, purgeableFrom, type Version, winner } from "@hearsay/core";

export interface Summary {
  /** Of the siblings, newest first. */
  readonly versions: readonly Version[];
  /** The winner is a tombstone. */
  readonly tombstone: boolean;
  /** From when the record may be purged; undefined while a sibling lives for good. */
  readonly purgeableFrom: HlcTime | undefined;
  /** Size of key and stored record. */
  readonly bytes: number;
}

export function summarize(record: KeyRecord, bytes: number): Summary {
  return {
    versions: record.siblings.map((sibling) => sibling.version),
    tombstone: winner(record).kind === "tombstone",
    purgeableFrom: purgeableFrom(record),
    bytes,
  };
}

export function sameSummary(a: Summary, b: Summary): boolean {
  return (
    a.tombstone === b.tombstone &&
    a.purgeableFrom === b.purgeableFrom &&
    a.bytes === b.bytes &&
    a.versions.length === b.versions.length &&
    a.versions.every((version, i) => {
      const other = b.versions[i];
      return other !== undefined && other.time === version.time && other.node === version.node;
    })
  );
}
