export {
  ConflictPage,
  GhostDiscard,
  GhostDiscarded,
  GhostQuery,
  GhostReport,
  PageQuery,
  Problem,
  Readiness,
  ReadinessQuery,
  RestoreMode,
  RestoreQuery,
  RestoreReport,
  TombstoneQuery,
  TombstoneReport,
} from "./admin.ts";
export {
  ClusterMemberItem,
  ClusterStatus,
  ConvergenceReport,
  DiffQuery,
  DiffReport,
  ForgetReport,
  ForgetRequest,
  HeldBackItem,
  JoinReport,
  JoinRequest,
  LeaveReport,
  LeaveRequest,
  MemberRef,
  MemberStateName,
  ReceiptQuery,
  ReceiptReport,
  RepairLine,
  RepairRequest,
  SafeToStopReport,
} from "./cluster.ts";
export { DURATION_MAX_MS, formatDurationMs, parseDurationMs } from "./durations.ts";
export { HEADERS, MEDIA_TYPES } from "./headers.ts";
export {
  BatchOperation,
  BatchOutcome,
  BatchQuery,
  BatchRequest,
  BatchResult,
  DeleteQuery,
  HistoryList,
  ListItem,
  ListPage,
  ListQuery,
  ReadQuery,
  SiblingItem,
  SiblingList,
  WriteQuery,
  WriteResult,
} from "./kv.ts";
export { DEFAULT_ENDPOINT, DEFAULT_PORT, LIMITS } from "./limits.ts";
export {
  type Outcome,
  PROBLEMS,
  type ProblemCode,
  type ProblemKind,
  problemKind,
} from "./problems.ts";
export { type Optional, type Schema, Type } from "./schema.ts";
export { VerifyLine, VerifyQuery, VerifyRepairQuery } from "./verify.ts";
export {
  WATCH_HEARTBEAT_MS,
  WatchBatch,
  WatchDelete,
  WatchPut,
  WatchQuery,
  WatchReset,
} from "./watch.ts";
