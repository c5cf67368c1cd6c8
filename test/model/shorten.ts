/** Makes a failing list of actions shorter while it fails in the same way (Zeller, "Simplifying and Isolating Failure-Inducing Input", 2002). */
import type { Action } from "./actions.ts";
import { type Outcome, type Plan, type RunOptions, replay, run } from "./run.ts";

/** Replays at most; each costs about as much as a run. */
const REPLAYS_MAX = 600;

export function shorten(
  plan: Plan,
  options: RunOptions,
): { readonly actions: readonly Action[]; readonly outcome: Outcome } {
  let outcome = run(plan, options);
  const invariant = outcome.violation?.invariant;
  let actions = outcome.actions;
  let replays = 0;
  for (let size = Math.ceil(actions.length / 2); size >= 1; size = size === 1 ? 0 : Math.ceil(size / 2)) {
    for (let from = 0; from < actions.length && replays < REPLAYS_MAX; replays++) {
      const fewer = [...actions.slice(0, from), ...actions.slice(from + size)];
      const tried = replay(plan, options.removed, fewer);
      if (tried.violation !== undefined && tried.violation.invariant === invariant) {
        actions = fewer;
        outcome = tried;
      } else from += size;
    }
  }
  return { actions, outcome };
}
