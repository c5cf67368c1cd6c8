export { onAbort } from "./aborts.ts";
export type { NoValue, ReadResult, Source, StoredValue, Unchanged } from "./answers.ts";
export { type BatchDraft, fromBase64, type Operation } from "./batch.ts";
export { Client } from "./client.ts";
export type { ClusterCalls, DiffOptions, ReceiptOptions, RepairOptions } from "./cluster.ts";
export { type Fault, HearsayError, type Outcome } from "./fault.ts";
export {
  type Ack,
  type BatchOptions,
  type CallOptions,
  type ClientOptions,
  type DeleteOptions,
  type ListOptions,
  type PutOptions,
  parseEndpoint,
  type ReadOptions,
  type RestoreOptions,
} from "./options.ts";
export type { FetchInit, Platform } from "./platform.ts";
export type { Resolution } from "./resolve.ts";
export { Session } from "./session.ts";
export type { RetryPolicy } from "./transport.ts";
export type {
  WatchConnection,
  WatchEvent,
  WatchedDelete,
  WatchedPut,
  WatchedReset,
  WatchedSynced,
  WatchOptions,
} from "./watch.ts";
