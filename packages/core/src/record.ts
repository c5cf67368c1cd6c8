/**
 * The versioned record of one key: a dotted-version-vector set (Almeida, Baquero, Gonçalves, Preguiça, Fonte,
 * "Scalable and Accurate Causality Tracking for Eventually Consistent Stores", 2014) with the hybrid logical
 * time as the dot's counter.
 *
 * Invariants: siblings are an antichain, none covers another; they are sorted newest first, so the winner is
 * the first; the context covers every version ever merged into the record.
 */
import { type HlcTime, hlcFromMs } from "./clock.ts";
import {
  CLIENT_CONTEXT_MAX_ENTRIES,
  type ClientContext,
  type Context,
  clientContextCovers,
  covers,
  joinContexts,
} from "./context.ts";
import type { NodeId } from "./identity.ts";
import { compareVersions, sameVersion, type Version } from "./version.ts";

export interface Value {
  readonly kind: "value";
  readonly version: Version;
  readonly bytes: Uint8Array;
  readonly contentType: string;
  /** From this moment, in milliseconds since the epoch, the sibling reads as deleted. Null: never. */
  readonly expiresAtMs: number | null;
}

export interface Tombstone {
  readonly kind: "tombstone";
  readonly version: Version;
}

export type Sibling = Value | Tombstone;

/** At least one sibling, newest first. */
export type Siblings = readonly [Sibling, ...Sibling[]];

export interface KeyRecord {
  readonly context: Context;
  readonly siblings: Siblings;
}

/** The sibling that plain readers see: the greatest version. */
export function winner(record: KeyRecord): Sibling {
  return record.siblings[0];
}

export function isLive(sibling: Sibling, nowMs: number): sibling is Value {
  return sibling.kind === "value" && (sibling.expiresAtMs === null || nowMs < sibling.expiresAtMs);
}

/**
 * The record after a write. Without a context the write covers all that is held; with one it covers just what
 * its reader saw. `sibling.version` must be newer than everything in the record and in the context.
 */
export function applyWrite(
  current: KeyRecord | undefined,
  sibling: Sibling,
  seen: ClientContext | undefined,
): KeyRecord {
  const own: Context = new Map<NodeId, HlcTime>().set(sibling.version.node, sibling.version.time);
  if (current === undefined) {
    return { context: seen === undefined ? own : joinContexts(seen.vector, own), siblings: [sibling] };
  }
  if (seen === undefined) return { context: joinContexts(current.context, own), siblings: [sibling] };
  return {
    context: joinContexts(joinContexts(current.context, seen.vector), own),
    siblings: [sibling, ...current.siblings.filter((held) => !clientContextCovers(seen, held.version))],
  };
}

/**
 * What a client knows that has read the whole record. Of a context larger than a client may carry it gets the
 * entries of the siblings, then the newest others: a smaller vector leaves more siblings, it never removes one.
 */
export function contextAfterRead(record: KeyRecord): ClientContext {
  const { context, siblings } = record;
  if (context.size <= CLIENT_CONTEXT_MAX_ENTRIES) return { vector: context, dot: undefined };
  const vector = new Map<NodeId, HlcTime>();
  const newest = [...context].sort(([, a], [, b]) => b - a).map(([node]) => node);
  for (const node of [...siblings.map((sibling) => sibling.version.node), ...newest]) {
    if (vector.size === CLIENT_CONTEXT_MAX_ENTRIES) break;
    const time = context.get(node);
    if (time !== undefined) vector.set(node, time);
  }
  return { vector, dot: undefined };
}

/**
 * What a client knows after a write of its own: everything, when nothing was left beside its write; otherwise
 * what it had seen before, and the write itself.
 */
export function contextAfterWrite(record: KeyRecord, seen: ClientContext | undefined): ClientContext {
  if (seen === undefined || record.siblings.length === 1) return contextAfterRead(record);
  return { vector: seen.vector, dot: winner(record).version };
}

/**
 * Keeps the siblings both sides have, and those of each side that the other's context does not cover. Contexts
 * join pointwise. Commutative, associative, idempotent.
 *
 * Two records that each cover all of the other's siblings cannot come from real histories; such input keeps the
 * newest sibling of both instead of emptying the record.
 */
export function mergeRecords(a: KeyRecord, b: KeyRecord): KeyRecord {
  const context = joinContexts(a.context, b.context);
  const kept: Sibling[] = [];
  for (const sibling of a.siblings) {
    if (!covers(b.context, sibling.version) || holds(b, sibling.version)) kept.push(sibling);
  }
  for (const sibling of b.siblings) {
    if (!covers(a.context, sibling.version)) kept.push(sibling);
  }
  kept.sort(newestFirst);
  const [first, ...rest] = kept;
  if (first === undefined) {
    return { context, siblings: [newestFirst(winner(a), winner(b)) <= 0 ? winner(a) : winner(b)] };
  }
  // Where a's context covers all of b's, only siblings of a were kept: as many as before are the same ones.
  if (context === a.context && kept.length === a.siblings.length) return a;
  return { context, siblings: [first, ...rest] };
}

/** Whether the record holds this very version as a sibling. */
export function holds(record: KeyRecord, version: Version): boolean {
  return record.siblings.some((sibling) => sameVersion(sibling.version, version));
}

/**
 * Keeps the newest `maxSiblings`. What falls off stays covered by the context, so it does not come back, and
 * is returned for the caller to count and log.
 */
export function boundSiblings(
  record: KeyRecord,
  maxSiblings: number,
): { readonly record: KeyRecord; readonly dropped: readonly Sibling[] } {
  if (record.siblings.length <= maxSiblings) return { record, dropped: [] };
  const [first, ...rest] = record.siblings;
  return {
    record: { context: record.context, siblings: [first, ...rest.slice(0, maxSiblings - 1)] },
    dropped: rest.slice(maxSiblings - 1),
  };
}

/**
 * The time from which the whole record may be purged, once the floor has reached it: when every sibling is a
 * tombstone or expires, the latest of their versions and expiries. Undefined while one lives for good: a
 * tombstone beside a live sibling stays.
 */
export function purgeableFrom(record: KeyRecord): HlcTime | undefined {
  let latest: HlcTime = 0;
  for (const sibling of record.siblings) {
    latest = Math.max(latest, sibling.version.time);
    if (sibling.kind === "tombstone") continue;
    if (sibling.expiresAtMs === null) return undefined;
    latest = Math.max(latest, hlcFromMs(sibling.expiresAtMs));
  }
  return latest;
}

/** The latest time anywhere in the record: what a clock has to observe before it accepts the record. */
export function latestTime(record: KeyRecord): HlcTime {
  let latest: HlcTime = 0;
  for (const time of record.context.values()) latest = Math.max(latest, time);
  for (const sibling of record.siblings) latest = Math.max(latest, sibling.version.time);
  return latest;
}

function newestFirst(a: Sibling, b: Sibling): number {
  return compareVersions(b.version, a.version);
}
