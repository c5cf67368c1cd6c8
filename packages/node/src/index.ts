export { beginAnew } from "./cluster/begun-anew.ts";
export { type Convergence, convergence, type Differing, type Verdict } from "./cluster/convergence.ts";
export { ClusterMember } from "./cluster/member.ts";
export type {
  Greeting,
  MemberConfig,
  MemberEvents,
  MemberPorts,
  NotWritable,
} from "./cluster/member-config.ts";
export { type Obstacle, obstacleTo } from "./cluster/obstacle.ts";
export type {
  DigestStore,
  GhostKeeping,
  Graveyard,
  ListedRecord,
  StoreFacts,
  Timers,
  Transport,
} from "./cluster/ports.ts";
export { type Receipt, type ReceiptWait, receiptOf, receiptOnceEverywhere } from "./cluster/receipt.ts";
export type { ClockOffset, LastExchange } from "./cluster/repair.ts";
export type { PublishedState } from "./cluster/states.ts";
export { type MemberStatus, memberStatuses } from "./cluster/status.ts";
export { obstaclesToStopping, type StopObstacle } from "./cluster/stopping.ts";
export type { Incarnation } from "./cluster/stored-completeness.ts";
export { formatUnit, parseUnit } from "./cluster/unit-text.ts";
export type { Content } from "./content.ts";
export { type Readable, readOrLost } from "./damaged.ts";
export type { Comparison, KeyDifference } from "./exchange/compare.ts";
export type { ExchangeOutcome, ExchangeProgress } from "./exchange/outcome.ts";
export { EXCHANGE_LIMITS, type ExchangeLimits } from "./exchange/session.ts";
export {
  establishIdentity,
  type Identity,
  IdentityError,
  type IdentityFault,
  refusalOf,
} from "./identity.ts";
export type { Admitted, FloorsDiffer, WriteFault } from "./merging.ts";
export { Node, type NodeConfig, type NodePorts, type Written } from "./node.ts";
export { PeerFault, type PeerFaultReason } from "./peer-fault.ts";
export type {
  Clock,
  Log,
  LogFields,
  MetaStore,
  Metrics,
  Random,
  RecordStore,
  ScanChunk,
  ScanRange,
} from "./ports.ts";
export { REPEAT_LOG_INTERVAL_MS, RepeatLog } from "./repeat-log.ts";
