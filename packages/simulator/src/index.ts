export type { Hooks } from "./cluster/composition.ts";
export { VirtualCluster } from "./cluster/virtual-cluster.ts";
export { VirtualDisk } from "./disk/virtual-disk.ts";
export { type CheckCounts, INVARIANTS, type Invariant, type Violation } from "./invariants/invariant.ts";
export { type Hunt, type HuntOptions, huntMutant, MUTANTS } from "./mutants/hunt.ts";
export type { Mutant } from "./mutants/mutant.ts";
export {
  AS_PUBLISHED,
  type Band,
  type Figure,
  isWithin,
  type PaperSettings,
  type PaperTable,
} from "./paper/figure.ts";
export { infectionCurves, infectionSvg } from "./paper/infection-plot.ts";
export { runTable, settingsOf, TABLE_NAMES, type TableName } from "./paper/tables.ts";
export { FAULT_KINDS, type FaultCounts, type FaultKind } from "./plan/faults.ts";
export { type Mode, makePlan, type Plan, type PlanOptions } from "./plan/plan.ts";
export { REQUEST_KINDS, type RequestCounts } from "./plan/requests.ts";
export type { Platform } from "./platform.ts";
export { relevantLines } from "./run/relevant.ts";
export { describeAction, type Shrunk, shrink } from "./run/shrink.ts";
export { type RunReport, runPlan } from "./run/simulation.ts";
export type { Measure, ScaleName, ScaleRun } from "./scale/experiments.ts";
export { formatGrowth, type Growth } from "./scale/growth.ts";
export { growthsOf, runScale, SCALE_NAMES, SCALE_SIZES } from "./scale/scale.ts";
export { VirtualTime } from "./time/virtual-time.ts";
