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
    versions: versionsOf(record),
    tombstone: winner(record).kind === "tombstone",
    purgeableFrom: purgeableFrom(record),
    bytes,
  };
}

/** Nearly every record has one sibling, and is summarized with each write of it. */
function versionsOf({ siblings }: KeyRecord): Version[] {
  const [{ version }] = siblings;
  return siblings.length === 1 ? [version] : siblings.map((sibling) => sibling.version);
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
