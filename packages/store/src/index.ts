export { type DoubtReason, type Outcome, StoreError, type StoreEvent, type StoreFault } from "./faults.ts";
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
  type StoreLimits,
  type StoreOptions,
} from "./ports.ts";
export { type RecordEntry, type ScanChunk, type ScanRange, Store, type StoreMeta } from "./store.ts";
