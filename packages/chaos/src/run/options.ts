import type { HearsayCommand } from "../cluster/node-process.ts";
import type { FaultName } from "../plan/faults.ts";
import type { WorkloadSpec } from "../workload/spec.ts";

export interface RunOptions {
  readonly seed: number;
  readonly durationMs: number;
  /** How long the nodes have from the end of the faults until they agree. */
  readonly settleMs: number;
  readonly workload: WorkloadSpec;
  /** Gets the history, the report and the logs; it exists. */
  readonly report: string;
  /** The command that repeats the run. */
  readonly repeat: string;
}

export interface LocalOptions extends RunOptions {
  readonly nodes: number;
  readonly faults: readonly FaultName[];
  /** Those of them that were asked for by name. */
  readonly asked: readonly FaultName[];
  readonly command: HearsayCommand;
  /** Settings of every node, `knob=value`. */
  readonly set: readonly string[];
}

export interface RunEvents {
  /** What is being done now. */
  stage(text: string): void;
}
