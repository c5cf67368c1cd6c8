export type { EndCounts } from "./check/at-end.ts";
export { check, type Findings } from "./check/check.ts";
export type { Violation, ViolationCode } from "./check/violation.ts";
export { LinkProxy } from "./cluster/link-proxy.ts";
export type { LinkState } from "./cluster/link-state.ts";
export {
  describeEnding,
  type Ending,
  type HearsayCommand,
  NodeEndedError,
  type NodeEvents,
  type NodePlace,
  NodeProcess,
  type Ready,
} from "./cluster/node-process.ts";
export type { HistoryEvent } from "./history/events.ts";
export { History } from "./history/history.ts";
export { HistoryLineError, readHistory } from "./history/lines.ts";
export { drawSeed } from "./plan/draw-seed.ts";
export { chooseFaults, FAULTS, type FaultName, FaultNameError, namedFaults } from "./plan/faults.ts";
export { lateOf } from "./report/markdown.ts";
export { headlineOf, type Summary, summarize } from "./report/summary.ts";
export { writeReport } from "./report/write.ts";
export { runOnEndpoints } from "./run/endpoint-run.ts";
export { ClusterStartError, runLocally } from "./run/local-run.ts";
export type { LocalOptions, RunEvents, RunOptions } from "./run/options.ts";
export { Recorder } from "./run/recorder.ts";
export { parseWorkload, WorkloadError } from "./workload/file.ts";
export { DEFAULT_WORKLOAD, type WorkloadSpec } from "./workload/spec.ts";
