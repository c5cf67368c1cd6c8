import {
  type KeyedRecord,
  type KeyRecord,
  purgeableFrom,
  type RefusedVersions,
  type Standing,
  sameVersion,
} from "@hearsay/core";
import { PeerFault } from "../peer-fault.ts";
import type { ExchangeReplica } from "./replica.ts";

export interface ExchangeLimits {
  /** Bytes of records, or of bucket listings, in one message; a single larger record travels alone. */
  readonly maxMessageBytes: number;
  /** Records in one message, however small they are. */
  readonly maxRecords: number;
  /** Key hashes asked for in one message. */
  readonly maxWants: number;
  /** Transfers in one exchange: with full messages, 64 GiB. */
  readonly maxTransfers: number;
  /** Sessions this node answers at a time; a peer beyond that is told to come back. */
  readonly maxSessions: number;
  /** The same while this node is not complete: each of them brings it nearly the same records. */
  readonly maxSessionsIncomplete: number;
  /** Entries of buckets that all answering sessions together remember, of some 200 bytes each; beyond that they are read twice. */
  readonly maxListedEntries: number;
  /** An answering session that has not moved for this long is dropped. */
  readonly sessionIdleMs: number;
  /** After so long an answer leaves out what is left, and the asking side sends what it has found: far below the time of a request. */
  readonly stepMs: number;
  readonly requestTimeoutMs: number;
}

export const EXCHANGE_LIMITS: ExchangeLimits = {
  maxMessageBytes: 1024 * 1024,
  maxRecords: 16_384,
  maxWants: 4096,
  maxTransfers: 65_536,
  maxSessions: 64,
  maxSessionsIncomplete: 2,
  maxListedEntries: 131_072,
  sessionIdleMs: 30_000,
  stepMs: 1000,
  requestTimeoutMs: 10_000,
};

/** Buckets that are read ahead of the one at hand: reading them one after the other would mostly be waiting. */
export const BUCKETS_AHEAD = 16;

/** At most so many bytes a record takes in a message, its key included. */
export function recordBytes(key: string, record: KeyRecord): number {
  let bytes = RECORD_FRAME_BYTES + key.length * UTF8_BYTES_PER_UNIT;
  for (const node of record.context.keys()) bytes += CONTEXT_ENTRY_BYTES + node.length;
  for (const sibling of record.siblings) {
    bytes += SIBLING_FRAME_BYTES;
    if (sibling.kind === "value") {
      bytes += VALUE_FRAME_BYTES + sibling.bytes.length + sibling.contentType.length * UTF8_BYTES_PER_UNIT;
    }
  }
  return bytes;
}

/** At most so many bytes it takes to say what was refused of a key. */
export function refusedBytes({ key, versions }: RefusedVersions): number {
  let bytes = RECORD_FRAME_BYTES + key.length * UTF8_BYTES_PER_UNIT;
  for (const { node } of versions) bytes += VERSION_FRAME_BYTES + node.length;
  return bytes;
}

const UTF8_BYTES_PER_UNIT = 3;
/** The arrays around the record, its context and its siblings, and the key's length. */
const RECORD_FRAME_BYTES = 18;
/** A length and a time. */
const CONTEXT_ENTRY_BYTES = 11;
/** An array, a position and a time. */
const SIBLING_FRAME_BYTES = 13;
/** An array, a time and a length. */
const VERSION_FRAME_BYTES = 12;
/** An expiry and two lengths. */
const VALUE_FRAME_BYTES = 17;

/**
 * The committed record of a key, unless it is about to be purged here and therefore not news to anyone.
 * @throws PeerFault `busy` for one that was found damaged: it is on a list, and an exchange without it would be no proof
 */
export function recordToSend(replica: ExchangeReplica, key: string): ReadRecord | undefined {
  const { record, lost } = replica.read(key);
  if (lost !== undefined) throw new PeerFault({ code: "busy" });
  if (record === undefined) return undefined;
  const readAt = replica.standing();
  const purgeable = purgeableFrom(record);
  return purgeable !== undefined && purgeable <= readAt.floor ? undefined : { key, record, readAt };
}

/** A record that waits to be sent. */
export interface ReadRecord extends KeyedRecord {
  /** Where this node stood when it was what is held. */
  readonly readAt: Standing;
}

/**
 * The records as they may be sent from where this node stands now. What it held where it stood before may have been dropped as a
 * ghost since, or purged, and as what a complete node holds it would be taken and come back. So that is read anew.
 * @throws PeerFault `busy`; see {@link recordToSend}
 */
export function heldNow(replica: ExchangeReplica, records: readonly ReadRecord[]): KeyedRecord[] {
  const { floor, complete } = replica.standing();
  const held: KeyedRecord[] = [];
  for (const { key, record, readAt } of records) {
    const isOfNow = readAt.floor === floor && readAt.complete === complete;
    const now = isOfNow ? record : recordToSend(replica, key)?.record;
    if (now !== undefined) held.push({ key, record: now });
  }
  return held;
}

/**
 * Whether two records do not hold the same siblings. Whoever sent one of which the other has come has to be sent that, also
 * where it holds less: what it covers may have been refused as a ghost before, and the sender not have been told.
 */
export function differInSiblings(a: KeyRecord, b: KeyRecord): boolean {
  return lacksSiblingsOf(a, b) || lacksSiblingsOf(b, a);
}

function lacksSiblingsOf(record: KeyRecord, other: KeyRecord): boolean {
  return other.siblings.some(
    (sibling) => !record.siblings.some((held) => sameVersion(held.version, sibling.version)),
  );
}

export function sameBytes(a: Uint8Array, b: Uint8Array): boolean {
  return a.length === b.length && a.every((byte, i) => byte === b[i]);
}
