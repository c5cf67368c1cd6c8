/**
 * Cuts a plan down to what it takes for the same invariant to break (delta debugging: Zeller and Hildebrandt, "Simplifying
 * and Isolating Failure-Inducing Input", 2002): parts of the actions are left out, ever smaller ones, as long as it does.
 */
import type { Hooks } from "../cluster/composition.ts";
import type { Action, Plan } from "../plan/plan.ts";
import type { Platform } from "../platform.ts";
import { type RunReport, runPlan } from "./simulation.ts";

export interface ShrinkOptions {
  /** Runs at most; the plan found by then is good enough. */
  readonly maxRuns: number;
  readonly hooks?: () => Hooks;
  /** Called after each run with the number of actions that are left. */
  readonly onRun?: (actions: number, runs: number) => void;
}

export interface Shrunk {
  readonly plan: Plan;
  readonly report: RunReport;
  readonly runs: number;
}

/** @param report of the plan's run, with a violation */
export async function shrink(
  platform: Platform,
  plan: Plan,
  report: RunReport,
  options: ShrinkOptions,
): Promise<Shrunk> {
  const invariant = report.violation?.invariant;
  let found: Shrunk = { plan, report, runs: 0 };
  let runs = 0;
  const attempt = async (candidate: Plan): Promise<boolean> => {
    if (runs >= options.maxRuns) return false;
    runs += 1;
    const hooks = options.hooks?.();
    const tried = await runPlan(platform, candidate, {
      keepsLines: true,
      ...(hooks === undefined ? {} : { hooks }),
    });
    const fails = tried.violation !== undefined && tried.violation.invariant === invariant;
    if (fails) found = { plan: candidate, report: tried, runs };
    options.onRun?.(found.plan.actions.length, runs);
    return fails;
  };
  await attempt(endingAt(plan, report.simulatedMs));
  for (let parts = 2; parts <= 2 * found.plan.actions.length && runs < options.maxRuns; ) {
    const size = Math.ceil(found.plan.actions.length / parts);
    let hasShrunk = false;
    for (let from = 0; from < found.plan.actions.length; ) {
      const { actions } = found.plan;
      const left = without(actions, from, size);
      if (left.length < actions.length && (await attempt({ ...found.plan, actions: left }))) hasShrunk = true;
      else from += size;
    }
    if (!hasShrunk && size === 1) break;
    parts = hasShrunk ? Math.max(2, parts - 1) : parts * 2;
  }
  return { ...found, runs };
}

/** What came after the violation has no part in it. */
function endingAt(plan: Plan, endMs: number): Plan {
  if (endMs >= plan.durationMs) return plan;
  return { ...plan, actions: plan.actions.filter(({ atMs }) => atMs <= endMs) };
}

function without(actions: readonly Action[], from: number, size: number): Action[] {
  return [...actions.slice(0, from), ...actions.slice(from + size)];
}

/** A line for people. */
export function describeAction(action: Action): string {
  const at = `${(action.atMs / 1000).toFixed(3)} s`;
  if (action.kind === "fault") {
    return `${at}  ${action.fault}, node ${action.node.toFixed(3)}, for ${Math.round(action.durationMs)} ms`;
  }
  const { client, does, key, context, node } = action;
  return `${at}  client ${client} does ${does} ${key} with ${context} context, node ${node.toFixed(3)}`;
}
