/** A key as Consul's API shows it. */
import { type ClientContext, type HlcTime, isLive, type KeyRecord, winner } from "@hearsay/core";
import { flagsOf } from "./flags.ts";

export interface Entry {
  readonly key: string;
  /** A decimal number of up to 64 bits. */
  readonly flags: string;
  readonly bytes: Uint8Array;
  /**
   * Of the winner: the same on every node, and later than that of any write it replaced. Values that were written through
   * two nodes in the same moment may share it.
   */
  readonly modifyIndex: HlcTime;
}

/** Undefined for a key that has no value. */
export function entryOf(key: string, record: KeyRecord | undefined, nowMs: number): Entry | undefined {
  if (record === undefined) return undefined;
  const value = winner(record);
  if (!isLive(value, nowMs)) return undefined;
  return {
    key,
    flags: flagsOf(value.contentType),
    bytes: value.bytes,
    modifyIndex: value.version.time,
  };
}

/**
 * What somebody has seen who names an index, 0 where there was no value. Of what stands beside it nobody knows whether it was
 * there when the index was read, so that stays beside a write that goes by the index; and of several values with this one index
 * nobody knows which was read. Undefined where nothing else is here.
 */
export function seenAt(
  index: number,
  record: KeyRecord | undefined,
  nowMs: number,
): ClientContext | undefined {
  if (record === undefined) return undefined;
  const values = record.siblings.filter((sibling) => isLive(sibling, nowMs));
  if (values.length <= (index === 0 ? 0 : 1)) return undefined;
  const named = index === 0 ? [winner(record)] : values.filter(({ version }) => version.time === index);
  return { vector: new Map(), dot: named.length === 1 ? named[0]?.version : undefined };
}

/** JSON by hand: flags may be larger than JavaScript's numbers. An empty value is null, as Consul has it. */
export function entryJson({ key, flags, bytes, modifyIndex }: Entry, withValue: boolean = true): string {
  const value =
    withValue && bytes.length > 0
      ? `"${Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString("base64")}"`
      : "null";
  return (
    `{"LockIndex":0,"Key":${JSON.stringify(key)},"Flags":${flags},"Value":${value},` +
    `"CreateIndex":${modifyIndex},"ModifyIndex":${modifyIndex}}`
  );
}
