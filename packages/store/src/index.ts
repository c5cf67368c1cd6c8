export type { Commit, CommittedChange, KeyState } from "./change.ts";
export {
  type DoubtReason,
  isDiskFull,
  type Outcome,
  openError,
  StoreError,
  type StoreEvent,
  type StoreFault,
} from "./faults.ts";
export { GHOSTS_MAX, type Ghost } from "./ghosts.ts";
export type { Grave, PurgeReport } from "./graveyard.ts";
export type { BucketEntry, DamagedEntry } from "./listing.ts";
export type { OpenReport } from "./opening.ts";
export {
  type Database,
  type DatabaseBatch,
  type DatabaseFactory,
  type DatabaseIterator,
  type DatabaseRange,
  DEFAULT_STORE_LIMITS,
  type Durability,
  type Environment,
  type SequenceFile,
  type StampRenewal,
  type StoreLimits,
  type StoreOptions,
} from "./ports.ts";
export { type RewriteReport, rewriteDatabase } from "./salvage.ts";
export { RECORD_VALUES_MAX_BYTES } from "./snapshot-format.ts";
export { readSnapshot, type SnapshotItem } from "./snapshot-read.ts";
export {
  type RecordEntry,
  type ScanChunk,
  type ScanRange,
  Store,
  type StoreMeta,
  type StoreStats,
} from "./store.ts";
export { VERIFY_MAX_LISTED, type VerifyOptions, type VerifyReport } from "./verify.ts";
