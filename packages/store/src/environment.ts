/** What a store notes down about where it runs. */
import { decodeUtf8, encodeUtf8 } from "@hearsay/core";
import type { DoubtReason } from "./faults.ts";
import type { Durability } from "./ports.ts";

export const LAYOUT_VERSION = 1;

/** The name in the system space under which damage found while running is noted, for the next start to salvage. */
export const DAMAGE_NOTE = "damage";

/** Stands for the digest key while the index is being moved from one to another. */
export const NO_DIGEST_KEY = "";

export interface StoredEnvironment {
  readonly layout: number;
  readonly bootId: string;
  readonly directoryStamp: string;
  /** One that may be in the place of the other already: an opening ended while it was put there. */
  readonly renewedStamp?: string | undefined;
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
  const renewedStamp = typeof rest.renewedStamp === "string" ? rest.renewedStamp : undefined;
  return {
    layout,
    bootId,
    directoryStamp,
    renewedStamp,
    durability,
    digestKeyId,
    historySlotsEver,
    journalBase,
  };
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
