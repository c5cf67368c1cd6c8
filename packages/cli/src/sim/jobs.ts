/** What a thread can be asked to do, and what it answers. */
import type {
  Hunt,
  HuntOptions,
  PaperSettings,
  PaperTable,
  Plan,
  PlanOptions,
  RunReport,
  ScaleName,
  ScaleRun,
  TableName,
} from "@hearsay/simulator";

export type Job =
  | {
      readonly kind: "run";
      readonly options: PlanOptions;
      /** Run it a second time, and see whether the trace is the same. */
      readonly twice: boolean;
    }
  /** A run of a plan that was cut down or is to be, up to so much virtual time. */
  | {
      readonly kind: "attempt";
      readonly plan: Plan;
      readonly endMs: number | undefined;
      readonly keepsLines: boolean;
    }
  | { readonly kind: "hunt"; readonly mutant: string; readonly options: HuntOptions }
  | { readonly kind: "table"; readonly name: TableName; readonly settings: PaperSettings }
  | { readonly kind: "plot"; readonly settings: PaperSettings }
  | { readonly kind: "scale"; readonly experiment: ScaleName; readonly nodes: number };

export interface SeedRun {
  readonly report: RunReport;
  /** Undefined when it was run once. */
  readonly isSame: boolean | undefined;
}

export interface JobResults {
  readonly run: SeedRun;
  readonly attempt: RunReport;
  readonly hunt: Hunt;
  readonly table: PaperTable;
  readonly plot: string;
  readonly scale: ScaleRun;
}
