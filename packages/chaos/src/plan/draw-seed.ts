import { FAULTS, type FaultName } from "./faults.ts";
import { type PlanOptions, planFaults } from "./schedule.ts";

/** Of a time in which a kind hardly ever comes up, there may be no seed that has it. */
const TRIES_MAX = 200;

/**
 * A seed with which every kind that is asked for comes up, so that a run does not miss by chance what it is for. In the first half of
 * the time: faults take longer than is planned, so the last ones are not reached.
 */
export function drawSeed(
  draw: () => number,
  options: Omit<PlanOptions, "seed">,
  asked: readonly FaultName[],
): number {
  const wanted = FAULTS.filter(({ name, minNodes }) => asked.includes(name) && options.nodes >= minNodes);
  for (let tries = 1; ; tries++) {
    const seed = draw();
    const early = planFaults({ ...options, seed })
      .flat()
      .filter(({ atMs }) => atMs < options.durationMs / 2);
    if (tries === TRIES_MAX || wanted.every(({ name }) => early.some(({ kind }) => kind === name)))
      return seed;
  }
}
