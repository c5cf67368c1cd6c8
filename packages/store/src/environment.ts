/** What a store notes down about where it runs, and the checkpoint a clean close leaves behind. */
import { decodeUtf8, encodeUtf8, Fingerprints } from "@hearsay/core";
import type { DoubtReason } from "./faults.ts";
import type { Durability } from "./ports.ts";
import { PRESENCE_BYTES, Presence } from "./presence.ts";
import { type Counters, Tally } from "./tally.ts";

export const LAYOUT_VERSION = 1;

/** The name in the system space under which damage found while running is noted, for the next start to salvage. */
export const DAMAGE_NOTE = "damage";

export interface StoredEnvironment {
  readonly layout: number;
  readonly bootId: string;
  readonly directoryStamp: string;
  /** Of the run that wrote it; undefined where an earlier build did. */
  readonly durability: Durability | undefined;
  /** SHA-256 of the digest key, by which buckets and digests were computed. */
  readonly digestKeyId: string;
  readonly historySlotsEver: number;
  /** Holes in the journal before this sequence are old news. */
  readonly journalBase: number;
}

export function encodeEnvironment(environment: StoredEnvironment): Uint8Array {
  return encodeUtf8(JSON.stringify(environment));
}

/** Undefined when it cannot be read. */
export function parseEnvironment(bytes: Uint8Array): StoredEnvironment | undefined {
  const parsed = parseJson(bytes);
  if (typeof parsed !== "object" || parsed === null) return undefined;
  const { layout, bootId, directoryStamp, digestKeyId, historySlotsEver, journalBase, ...rest } =
    parsed as Partial<Record<keyof StoredEnvironment, unknown>>;
  if (typeof layout !== "number" || typeof bootId !== "string") return undefined;
  if (typeof directoryStamp !== "string" || typeof digestKeyId !== "string") return undefined;
  if (typeof historySlotsEver !== "number" || typeof journalBase !== "number") return undefined;
  const durability = rest.durability === "os" || rest.durability === "fsync" ? rest.durability : undefined;
  return { layout, bootId, directoryStamp, durability, digestKeyId, historySlotsEver, journalBase };
}

const DOUBT_REASONS: readonly DoubtReason[] = [
  "os_new_boot",
  "commits_missing",
  "directory_copied",
  "damaged_records",
  "damaged_meta",
  "salvaged",
];

export function encodeDoubt(doubt: ReadonlySet<DoubtReason>): Uint8Array {
  return encodeUtf8(JSON.stringify([...doubt]));
}

/** Undefined when it cannot be read. */
export function parseDoubt(bytes: Uint8Array): DoubtReason[] | undefined {
  const parsed = parseJson(bytes);
  if (!Array.isArray(parsed)) return undefined;
  return DOUBT_REASONS.filter((reason) => parsed.includes(reason));
}

function parseJson(bytes: Uint8Array): unknown {
  try {
    return JSON.parse(decodeUtf8(bytes) ?? "");
  } catch {
    return undefined;
  }
}

export interface Checkpoint {
  readonly sequence: number;
  readonly tally: Tally;
  readonly presence: Presence;
}

const NUMBERS = 5;

export function encodeCheckpoint({ sequence, tally, presence }: Checkpoint): Uint8Array {
  const { records, tombstones, purgeable, bytes } = tally.counters;
  const fingerprints = tally.fingerprints.toBytes();
  const encoded = new Uint8Array(NUMBERS * 8 + PRESENCE_BYTES + fingerprints.length);
  const view = new DataView(encoded.buffer);
  for (const [i, number] of [sequence, records, tombstones, purgeable, bytes].entries()) {
    view.setFloat64(i * 8, number);
  }
  presence.writeTo(encoded, NUMBERS * 8);
  encoded.set(fingerprints, NUMBERS * 8 + PRESENCE_BYTES);
  return encoded;
}

/** Undefined when it is none. */
export function parseCheckpoint(encoded: Uint8Array): Checkpoint | undefined {
  const fingerprintsAt = NUMBERS * 8 + PRESENCE_BYTES;
  if (encoded.length < fingerprintsAt) return undefined;
  const fingerprints = Fingerprints.fromBytes(encoded.subarray(fingerprintsAt));
  if (fingerprints === undefined) return undefined;
  const view = new DataView(encoded.buffer, encoded.byteOffset, encoded.byteLength);
  const counters: Counters = {
    records: view.getFloat64(8),
    tombstones: view.getFloat64(16),
    purgeable: view.getFloat64(24),
    bytes: view.getFloat64(32),
  };
  const presence = Presence.from(encoded.subarray(NUMBERS * 8, fingerprintsAt));
  return { sequence: view.getFloat64(0), tally: new Tally(fingerprints, counters), presence };
}
