export { ahead } from "./ahead.ts";
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
  isChildHashes,
  isCompareRequest,
  type MerkleView,
  MerkleWalk,
  TREE_ARITY,
  TREE_DEPTH,
  WALK_HASH_BYTES,
  WALK_MAX_NODES,
  type WalkNode,
} from "./anti-entropy/merkle-walk.ts";
export type {
  BucketWant,
  ExchangeCompare,
  ExchangeCompared,
  ExchangeDiffers,
  ExchangeEqual,
  ExchangeMore,
  ExchangeReply,
  ExchangeRequest,
  ExchangeRest,
  ExchangeStart,
  ExchangeTablesDiffer,
  ExchangeTransfer,
  ExchangeTransferred,
  ExchangeVoid,
  KeyedRecord,
  RefusedVersions,
} from "./anti-entropy/messages.ts";
export {
  ANTI_ENTROPY_DEFAULTS,
  type AntiEntropyConfig,
  CALM_FACTOR,
  ExchangeSchedule,
} from "./anti-entropy/schedule.ts";
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
export {
  type Admission,
  admit,
  admitMail,
  dropRefused,
  livingBelow,
  type Standing,
} from "./completeness/admission.ts";
export { holdsAllThrough, holdsOfRetired, isAgreed } from "./completeness/agreement.ts";
export { Completeness } from "./completeness/completeness.ts";
export { floorAhead, watermarkFor } from "./completeness/floor.ts";
export { heldBackBy } from "./completeness/held-back.ts";
export {
  type CompletenessEvent,
  type CompletenessState,
  type CompletenessUnit,
  type CountedMembers,
  type ExchangeBegin,
  type ExchangeOffer,
  type HeldBack,
  INITIAL_COMPLETENESS,
} from "./completeness/terms.ts";
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
export {
  BUCKET_COUNT,
  BUCKET_PAGES,
  DIGEST_BYTES,
  type Digest,
  FINGERPRINTS_PAGE_BYTES,
  Fingerprints,
  type Hashing,
  type KeyPlace,
  PAGE_BUCKETS,
  RecordHasher,
} from "./digest.ts";
export type {
  Effect,
  EventEffect,
  Peer,
  ReplyEffect,
  RequestEffect,
  RequestFailure,
  TimerEffect,
} from "./effects.ts";
export { charsToHex, fromHex, toHex, writeHex } from "./hex.ts";
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
export { readNodeId } from "./known-ids.ts";
export { retransmitLimit } from "./membership/broadcast-queue.ts";
export {
  ADDRESS_MAX_LENGTH,
  BUILD_MAX_LENGTH,
  comparePrecedence,
  GENERATION_MAX,
  isLiveMember,
  isWellFormed,
  type Member,
  type MemberState,
  PROTOCOL_VERSION_MAX,
  type ProtocolRange,
  peerOf,
  protocolsOverlap,
  type Update,
  ZONE_MAX_LENGTH,
} from "./membership/member.ts";
export { type Applied, MemberTable, type MemberTableOptions } from "./membership/member-table.ts";
export {
  PHI_ACCRUAL_DEFAULTS,
  PHI_MAX,
  PhiAccrual,
  type PhiAccrualConfig,
  type PhiAccrualConfigFault,
  phi,
  validatePhiAccrualConfig,
} from "./membership/phi-accrual.ts";
export { suspicionMinMs, suspicionTimeoutMs } from "./membership/suspicion.ts";
export { Swim, type SwimOptions } from "./membership/swim.ts";
export {
  SWIM_DEFAULTS,
  type SwimConfig,
  type SwimConfigFault,
  validateSwimConfig,
} from "./membership/swim-config.ts";
export {
  ANYONE,
  BOUND_TO_MAX,
  type Ping,
  type PingReq,
  type PushPull,
  RETIRED_PAGE,
  type RefusalCode,
  type Refused,
  type RetiredPage,
  type SwimEffect,
  type SwimEvent,
  type SwimMessage,
  type SwimReply,
  type SwimRequest,
  type SwimStats,
  type SwimTimer,
} from "./membership/swim-messages.ts";
export {
  type FetchReply,
  type FetchRequest,
  HELLO_IDS_MAX,
  type HelloReply,
  type HelloRequest,
  type HoldsReply,
  type HoldsRequest,
  type LoadedRumor,
  type LoadedRumorReply,
  type LoadedRumorRequest,
  type PeerReply,
  type PeerRequest,
  type SharedLimits,
} from "./peer-messages.ts";
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
export type { RumorCounters } from "./rumor/counters.ts";
export type { RumorOrigin } from "./rumor/hot-list.ts";
export type {
  CarriedRumor,
  HeldRecord,
  ReceivedRumor,
  Rumor,
  RumorAnswer,
  RumorEffect,
  RumorHeldEvent,
  RumorMessage,
  RumorReply,
  RumorRequest,
  RumorTimer,
  RumorVerdict,
} from "./rumor/messages.ts";
export { type NewRumor, RumorMonger } from "./rumor/monger.ts";
export {
  DEFAULT_RUMOR_OPTIONS,
  type RumorOptions,
  type RumorOptionsFault,
  validateRumorOptions,
} from "./rumor/options.ts";
export {
  type CyclonEffect,
  type CyclonOptions,
  type CyclonOptionsFault,
  type CyclonTimer,
  CyclonView,
  DEFAULT_CYCLON_OPTIONS,
  type ShuffleReply,
  type ShuffleRequest,
  type ViewEntry,
  validateCyclonOptions,
} from "./sampling/cyclon.ts";
export { FullView } from "./sampling/full-view.ts";
export {
  combinedWeight,
  type PeerSampler,
  type PeerWeight,
  preferHealthy,
  preferZone,
} from "./sampling/peer-sampler.ts";
export { Slabs } from "./slabs.ts";
export {
  type Aggregate,
  aggregate,
  countNodes,
  stateNumber,
  stateText,
} from "./state/aggregate.ts";
export type {
  MassReply,
  MassRequest,
  StateAnswerReply,
  StateDelta,
  StateDeltaRequest,
  StateDigest,
  StateDigestRequest,
  StateDoneReply,
  StateEntry,
  StateReply,
  StateRequest,
  StateValue,
} from "./state/messages.ts";
export {
  type DeltaOutcome,
  NODE_STATE_LIMITS,
  type NodeState,
  type NodeStateLimits,
  NodeStates,
} from "./state/node-states.ts";
export {
  DEFAULT_PUSH_SUM_OPTIONS,
  PushSum,
  type PushSumEffect,
  type PushSumEstimate,
  type PushSumEvent,
  type PushSumOptions,
  type PushSumOptionsFault,
  type PushSumTimer,
  validatePushSumOptions,
} from "./state/push-sum.ts";
export {
  DEFAULT_STATE_GOSSIP_OPTIONS,
  type StateEffect,
  type StateEvent,
  StateGossip,
  type StateGossipOptions,
  type StateGossipOptionsFault,
  type StateTimer,
  validateStateGossipOptions,
} from "./state/state-gossip.ts";
export { TransientMap } from "./transient-map.ts";
export { compareVersions, formatVersion, parseVersion, sameVersion, type Version } from "./version.ts";
export {
  boundClaims,
  CLAIMS_MAX_ENTRIES,
  type Claims,
  claimedThrough,
  cursorTime,
  formatCursor,
  isClaimed,
  NO_CLAIMS,
  parseCursor,
  type WatchCursor,
} from "./watch/cursor.ts";
