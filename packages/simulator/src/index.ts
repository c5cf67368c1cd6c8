export { VirtualCluster } from "./cluster/virtual-cluster.ts";
export { type CheckCounts, INVARIANTS, type Invariant, type Violation } from "./invariants/invariant.ts";
export { type Hunt, type HuntOptions, huntMutant, MUTANTS } from "./mutants/hunt.ts";
export type { Mutant } from "./mutants/mutant.ts";
export { FAULT_KINDS, type FaultCounts, type FaultKind } from "./plan/faults.ts";
export { type Mode, makePlan, type Plan, type PlanOptions } from "./plan/plan.ts";
export type { Platform } from "./platform.ts";
export { type RunReport, runPlan } from "./run/simulation.ts";
export { VirtualTime } from "./time/virtual-time.ts";
