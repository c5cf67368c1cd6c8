/** A planted bug: a part of a node replaced by one that breaks a rule. The simulator has to notice each. */
import type { Hooks } from "../cluster/composition.ts";

export interface Mutant {
  readonly name: string;
  /** The rule that is broken. */
  readonly breaks: string;
  /** Fresh hooks for one run. */
  readonly hooks: () => Hooks;
}
