/** What a thread can be asked to do with a seed, and what it answers. */
import type { Hunt, HuntOptions, PlanOptions, RunReport } from "@hearsay/simulator";

export type SeedJob =
  | {
      readonly kind: "run";
      readonly options: PlanOptions;
      /** Run it a second time, and see whether the trace is the same. */
      readonly twice: boolean;
    }
  | { readonly kind: "hunt"; readonly mutant: string; readonly options: HuntOptions };

export interface SeedRun {
  readonly report: RunReport;
  /** Undefined when it was run once. */
  readonly isSame: boolean | undefined;
}

export interface SeedResults {
  readonly run: SeedRun;
  readonly hunt: Hunt;
}
