/** Finds the seed that notices a planted bug. */
import type { Violation } from "../invariants/invariant.ts";
import { makePlan } from "../plan/plan.ts";
import type { Platform } from "../platform.ts";
import { runPlan } from "../run/simulation.ts";
import { COMPLETENESS_MUTANTS } from "./completeness.ts";
import { MEMBERSHIP_MUTANTS } from "./membership.ts";
import type { Mutant } from "./mutant.ts";
import { STORAGE_MUTANTS } from "./storage.ts";
import { VERSION_MUTANTS } from "./versions.ts";

export const MUTANTS: readonly Mutant[] = [
  ...STORAGE_MUTANTS,
  ...VERSION_MUTANTS,
  ...COMPLETENESS_MUTANTS,
  ...MEMBERSHIP_MUTANTS,
];

export interface HuntOptions {
  readonly seeds: { readonly from: number; readonly to: number };
  readonly nodes: number;
  readonly minutes: number;
}

export interface Hunt {
  readonly mutant: string;
  readonly breaks: string;
  /** Seeds that were run. */
  readonly seeds: number;
  /** The first that noticed; undefined when none did. */
  readonly seed: number | undefined;
  readonly violation: Violation | undefined;
}

export async function huntMutant(platform: Platform, mutant: Mutant, options: HuntOptions): Promise<Hunt> {
  const { seeds, nodes, minutes } = options;
  const { name, breaks } = mutant;
  for (let seed = seeds.from; seed <= seeds.to; seed++) {
    const plan = makePlan({ seed, mode: "safety", nodes, minutes });
    const { violation } = await runPlan(platform, plan, { hooks: mutant.hooks() });
    if (violation !== undefined)
      return { mutant: name, breaks, seeds: seed - seeds.from + 1, seed, violation };
  }
  return { mutant: name, breaks, seeds: seeds.to - seeds.from + 1, seed: undefined, violation: undefined };
}
