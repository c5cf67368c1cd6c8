/**
 * Cuts a plan down to what it takes for the same invariant to break (delta debugging: Zeller and Hildebrandt, "Simplifying
 * and Isolating Failure-Inducing Input", 2002): parts of the actions are left out, ever smaller ones, as long as it does.
 *
 * Order: what came after the violation, faults, operations and requests for keys that the violation does not name, clients,
 * single operations and requests, and once more single faults. A run that has not broken the invariant by the time at which the last one did
 * is not waited for. Several parts are tried at a time; of those without which it breaks too, the first is left out.
 */
import type { Action } from "../plan/actions.ts";
import type { Plan } from "../plan/plan.ts";
import { namesOf } from "./relevant.ts";
import type { RunReport } from "./simulation.ts";

export interface ShrinkOptions {
  /** Runs at most; the plan found by then is good enough. */
  readonly maxRuns: number;
  /** Runs that may be under way at a time. */
  readonly lanes: number;
  /** Runs a plan, up to a virtual time when there is one. */
  run(candidate: Plan, endMs: number | undefined): Promise<RunReport>;
  /** Called after each run with the number of actions that are left. */
  readonly onRun?: (actions: number, runs: number) => void;
}

export interface Shrunk {
  readonly plan: Plan;
  /** Of that plan's run, which need not be run beyond {@link endMs}. */
  readonly report: RunReport;
  readonly endMs: number | undefined;
  readonly runs: number;
}

/** @param report of the plan's run, with a violation */
export async function shrink(plan: Plan, report: RunReport, options: ShrinkOptions): Promise<Shrunk> {
  const shrinking = new Shrinking(plan, report, options);
  await shrinking.cutEnd();
  await shrinking.thin(isFault);
  const named = namesOf(report.violation);
  await shrinking.leaveOut((action) => action.kind !== "fault" && !named.has(action.key));
  const clients = new Set(plan.actions.map((action) => (action.kind === "operation" ? action.client : -1)));
  for (const client of clients) {
    await shrinking.leaveOut((action) => action.kind === "operation" && action.client === client);
  }
  await shrinking.thin((action) => !isFault(action));
  await shrinking.thin(isFault);
  return shrinking.found;
}

class Shrinking {
  readonly #options: ShrinkOptions;
  readonly #invariant: string | undefined;
  #plan: Plan;
  #report: RunReport;
  #endMs: number | undefined;
  #runs = 0;

  constructor(plan: Plan, report: RunReport, options: ShrinkOptions) {
    this.#options = options;
    this.#invariant = report.violation?.invariant;
    this.#plan = plan;
    this.#report = report;
    this.#endMs = endOf(plan, report);
  }

  get found(): Shrunk {
    return { plan: this.#plan, report: this.#report, endMs: this.#endMs, runs: this.#runs };
  }

  /** What came after the violation has no part in it. */
  async cutEnd(): Promise<void> {
    const endMs = this.#endMs;
    if (endMs !== undefined) await this.leaveOut(({ atMs }) => atMs > endMs);
  }

  /** Leaves out all of the chosen actions, if it breaks without them too. */
  async leaveOut(isChosen: (action: Action) => boolean): Promise<void> {
    const actions = this.#plan.actions.filter((action) => !isChosen(action));
    if (actions.length < this.#plan.actions.length) await this.#firstOf([{ ...this.#plan, actions }]);
  }

  /** Leaves out parts of the chosen actions: all of them, halves, quarters, down to single ones. */
  async thin(isChosen: (action: Action) => boolean): Promise<void> {
    const chosen = (): Action[] => this.#plan.actions.filter(isChosen);
    for (let size = chosen().length; size >= 1; size = size === 1 ? 0 : Math.ceil(size / 2)) {
      for (let from = 0; from < chosen().length && this.#runs < this.#options.maxRuns; ) {
        const candidates = this.#without(chosen(), from, size);
        const taken = await this.#firstOf(candidates);
        // What stood behind the part that is gone has moved up to its place.
        from += (taken ?? candidates.length) * size;
      }
    }
  }

  /** The plan without one part, for as many parts as there are lanes. */
  #without(chosen: readonly Action[], from: number, size: number): Plan[] {
    const candidates: Plan[] = [];
    for (let start = from; start < chosen.length && candidates.length < this.#options.lanes; start += size) {
      const part = new Set(chosen.slice(start, start + size));
      const actions = this.#plan.actions.filter((action) => !part.has(action));
      candidates.push({ ...this.#plan, actions });
    }
    return candidates;
  }

  /** Takes the first of the plans that breaks the invariant. Returns which. */
  async #firstOf(candidates: readonly Plan[]): Promise<number | undefined> {
    const { maxRuns, onRun, run } = this.#options;
    const tried = candidates.slice(0, maxRuns - this.#runs);
    const reports = await Promise.all(tried.map((candidate) => run(candidate, this.#endMs)));
    this.#runs += reports.length;
    const taken = reports.findIndex(({ violation }) => violation?.invariant === this.#invariant);
    const plan = tried[taken];
    const report = reports[taken];
    if (plan !== undefined && report !== undefined) {
      this.#plan = plan;
      this.#report = report;
      this.#endMs = endOf(plan, report);
    }
    onRun?.(this.#plan.actions.length, this.#runs);
    return plan === undefined ? undefined : taken;
  }
}

/** Undefined when it broke after the plan was over: then the run has to go on until all has settled. */
function endOf(plan: Plan, { simulatedMs }: RunReport): number | undefined {
  return simulatedMs < plan.durationMs ? simulatedMs : undefined;
}

function isFault({ kind }: Action): boolean {
  return kind === "fault";
}

/** A line for people. */
export function describeAction(action: Action): string {
  const at = `${(action.atMs / 1000).toFixed(3)} s`;
  if (action.kind === "fault") {
    return `${at}  ${action.fault}, node ${action.node.toFixed(3)}, for ${Math.round(action.durationMs)} ms`;
  }
  if (action.kind === "request") {
    return `${at}  ${action.request} of ${action.key}, node ${action.node.toFixed(3)}`;
  }
  const { client, does, key, context, node } = action;
  return `${at}  client ${client} does ${does} ${key} with ${context} context, node ${node.toFixed(3)}`;
}
