import type { Version } from "@hearsay/core";

/** Whether a refused write is definitely not done, or may be. */
export type Outcome = "none" | "unknown";

/** Everything the disk or the load can cause. */
export type StoreFault =
  /** Another process has the directory open. */
  | { readonly code: "store_locked"; readonly detail: string }
  /** The database does not open, and could not be salvaged. */
  | { readonly code: "store_unreadable"; readonly detail: string }
  /** Written by a newer version of this program. */
  | { readonly code: "store_version"; readonly found: number; readonly supported: number }
  /** By {@link StoreOptions.refusal}, with what that gave as its cause; nothing was changed. */
  | { readonly code: "store_refused" }
  /** The record fails its checksum or is missing. `versions` is what the index knows of it. */
  | { readonly code: "record_damaged"; readonly key: string; readonly versions: readonly Version[] }
  /** The database cannot read a part of its own files. Restart: opening salvages what can be read. */
  | { readonly code: "read_failed"; readonly detail: string }
  /** More is waiting for its commit than `pendingMaxBytes`; try again soon. */
  | { readonly code: "overloaded"; readonly pendingBytes: number; readonly outcome: "none" }
  /** Free some space; the store recovers by itself. */
  | { readonly code: "disk_full"; readonly outcome: Outcome }
  /** A write or sync failed; the store reopens its database. */
  | { readonly code: "write_failed"; readonly outcome: Outcome; readonly detail: string }
  /** The database is being reopened, or could not be, or the system has no descriptors or memory left for it; reads come back. */
  | { readonly code: "store_unavailable" }
  | { readonly code: "store_closed"; readonly outcome: "none" }
  /** Too much changed while the snapshot was taken; try again when writes are fewer. */
  | { readonly code: "snapshot_overrun"; readonly changed: number }
  /** The stream ends before its trailer. */
  | { readonly code: "snapshot_truncated" }
  | { readonly code: "snapshot_corrupt"; readonly detail: string };

export class StoreError extends Error {
  readonly fault: StoreFault;

  constructor(fault: StoreFault, options?: ErrorOptions) {
    super(describe(fault), options);
    this.name = "StoreError";
    this.fault = fault;
  }
}

function describe(fault: StoreFault): string {
  switch (fault.code) {
    case "store_locked":
      return `another process has the store open: ${fault.detail}`;
    case "store_unreadable":
      return `the store does not open: ${fault.detail}`;
    case "store_version":
      return `the store has layout ${fault.found}, this program knows ${fault.supported}`;
    case "store_refused":
      return "the store is not to be opened";
    case "record_damaged":
      return `the record of key ${JSON.stringify(fault.key)} is damaged`;
    case "read_failed":
      return `the database cannot read its files: ${fault.detail}`;
    case "overloaded":
      return `${fault.pendingBytes} bytes are waiting to be committed`;
    case "disk_full":
      return `the disk is full; outcome of this write: ${fault.outcome}`;
    case "write_failed":
      return `a write to disk failed, outcome ${fault.outcome}: ${fault.detail}`;
    case "store_unavailable":
      return "the database cannot be read at the moment";
    case "store_closed":
      return "the store is closed";
    case "snapshot_overrun":
      return `${fault.changed} keys changed while the snapshot was taken`;
    case "snapshot_truncated":
      return "the snapshot ends before its trailer";
    case "snapshot_corrupt":
      return `the snapshot is corrupt: ${fault.detail}`;
  }
}

/** Why a store may lack what it acknowledged. */
export type DoubtReason =
  | "os_new_boot"
  | "commits_missing"
  | "directory_copied"
  | "damaged_records"
  | "damaged_meta"
  | "salvaged";

/** What happened, for logs and metrics. */
export type StoreEvent =
  | { readonly code: "record_damaged"; readonly key: string }
  | { readonly code: "index_damaged"; readonly key: string }
  | { readonly code: "history_damaged"; readonly key: string }
  | { readonly code: "record_healed"; readonly key: string }
  | { readonly code: "read_failed"; readonly detail: string }
  | { readonly code: "doubt"; readonly reason: DoubtReason }
  | { readonly code: "fingerprints_rebuilt"; readonly records: number; readonly reindexed: number }
  | { readonly code: "salvaged"; readonly detail: string }
  | { readonly code: "disk_full"; readonly detail: string }
  | { readonly code: "write_failed"; readonly detail: string }
  | { readonly code: "reopen_failed"; readonly detail: string }
  | { readonly code: "reopened"; readonly committedKeys: number; readonly lostKeys: number }
  | { readonly code: "checkpoint_failed"; readonly detail: string }
  | { readonly code: "sequence_file_failed"; readonly detail: string };

/** Errors of abstract-level carry the database's own as their cause; the innermost says what happened. */
export function errorDetail(error: unknown): string {
  let detail = String(error);
  for (let at = error; at instanceof Error; at = at.cause) detail = at.message;
  return detail;
}

/** The codes of an error and of all its causes, outermost first. */
export function errorCodes(error: unknown): string[] {
  const codes: string[] = [];
  for (let at = error; at instanceof Error; at = at.cause) {
    if ("code" in at && typeof at.code === "string") codes.push(at.code);
  }
  return codes;
}

/** The process has come to a bound of its system, and nothing is damaged. LevelDB reports the operating system's text. */
export function isShortage(error: unknown): boolean {
  return /Too many open files|Cannot allocate memory/i.test(errorDetail(error));
}

/** LevelDB reports the operating system's text and no number. */
export function isDiskFull(error: unknown): boolean {
  return /No space left on device|ENOSPC|Disk quota exceeded|EDQUOT/i.test(errorDetail(error));
}

/** Whether repairing may help: not against another process, missing rights or a full disk. */
export function isDamage(error: unknown): boolean {
  const codes = errorCodes(error);
  if (codes.includes("LEVEL_LOCKED") || isDiskFull(error) || isShortage(error)) return false;
  const isRead = error instanceof StoreError && error.fault.code === "read_failed";
  // Anything else is no failure of the database but a mistake of ours.
  if (!isRead && !codes.some((code) => code.startsWith("LEVEL_"))) return false;
  return !/Permission denied|Read-only file system/i.test(errorDetail(error));
}

/** What an opening that failed of it throws. */
export function openError(error: unknown): StoreError {
  const detail = errorDetail(error);
  if (errorCodes(error).includes("LEVEL_LOCKED")) {
    return new StoreError({ code: "store_locked", detail }, { cause: error });
  }
  if (isDiskFull(error)) return new StoreError({ code: "disk_full", outcome: "none" }, { cause: error });
  if (error instanceof StoreError && error.fault.code !== "read_failed") return error;
  return new StoreError({ code: "store_unreadable", detail }, { cause: error });
}
