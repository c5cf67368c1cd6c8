export {
  type ClockDrift,
  type ClockOptions,
  HLC_TICKS_PER_MS,
  HLC_TIME_MAX,
  type HlcTime,
  HybridLogicalClock,
  hlcFromMs,
  hlcToMs,
  isHlcTime,
} from "./clock.ts";
export { type ConflictPolicy, type ConflictRules, siblingLimit } from "./conflicts.ts";
export {
  CLIENT_CONTEXT_MAX_ENTRIES,
  type ClientContext,
  type Context,
  clientContextCovers,
  clientContextTime,
  covers,
  EMPTY_CLIENT_CONTEXT,
  formatClientContext,
  joinContexts,
  parseClientContext,
} from "./context.ts";
export { BUCKET_COUNT, DIGEST_BYTES, Fingerprints, type Hashing, RecordHasher } from "./digest.ts";
export type {
  Effect,
  EventEffect,
  Peer,
  ReplyEffect,
  RequestEffect,
  RequestFailure,
  TimerEffect,
} from "./effects.ts";
export {
  INCARNATION_LENGTH,
  isNodeId,
  isNodeName,
  mintNodeId,
  NODE_NAME_MAX_LENGTH,
  type NodeId,
  nodeName,
} from "./identity.ts";
export { compareKeys, decodeUtf8, encodeUtf8, KEY_MAX_BYTES, type KeyFault, keyFault } from "./key.ts";
export { type RandomSource, randomBelow, SeededRandom, shuffled } from "./random.ts";
export {
  applyWrite,
  boundSiblings,
  contextAfterWrite,
  holds,
  isLive,
  type KeyRecord,
  latestTime,
  mergeRecords,
  purgeableFrom,
  type Sibling,
  type Siblings,
  type Tombstone,
  type Value,
  winner,
} from "./record.ts";
export { compareVersions, formatVersion, parseVersion, sameVersion, type Version } from "./version.ts";
