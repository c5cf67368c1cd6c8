export {
  type BucketEntry,
  type BucketPlan,
  compareBucket,
  decodeBucketEntries,
  encodeBucketEntries,
} from "./anti-entropy/bucket-entries.ts";
export {
  answerCompare,
  type BucketListing,
  type CompareReply,
  type CompareRequest,
  isCompareRequest,
  type MerkleView,
  MerkleWalk,
  TREE_ARITY,
  TREE_DEPTH,
  WALK_HASH_BYTES,
  WALK_MAX_NODES,
  type WalkNode,
} from "./anti-entropy/merkle-walk.ts";
export { ANTI_ENTROPY_DEFAULTS, type AntiEntropyConfig, ExchangeSchedule } from "./anti-entropy/schedule.ts";
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
export { type Admission, admit, type Standing } from "./completeness/admission.ts";
export {
  Completeness,
  type CompletenessEvent,
  type CompletenessState,
  type CompletenessUnit,
  type CountedMembers,
  type ExchangeOffer,
  type HeldBack,
  INITIAL_COMPLETENESS,
} from "./completeness/completeness.ts";
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
  contextAfterRead,
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
export {
  CONTENT_TYPE_MAX_LENGTH,
  CONTEXT_MAX_NODES,
  type RecordTuple,
  recordFromTuple,
  recordToTuple,
} from "./record-tuple.ts";
export { compareVersions, formatVersion, parseVersion, sameVersion, type Version } from "./version.ts";
