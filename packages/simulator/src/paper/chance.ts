/** What chance allows, exactly: for counts that are too small for the normal distribution. */
import type { Band } from "./figure.ts";

/** Of all counts, so many lie outside of a band: as with 3.5 standard errors of a mean. */
export const OUTSIDE: number = 1 / 2000;

/** Of what is this much less likely than the likeliest, no more is added up. */
const NEGLIGIBLE = 1e-12;

/**
 * How many of so many trials succeed: the least and the most.
 * @param chance of each trial, from 0 to below 1
 */
export function binomialBand(trials: number, chance: number): Band {
  const odds = chance / (1 - chance);
  const likeliest = Math.floor((trials + 1) * chance);
  // Relative to the likeliest, as none of many counts is likely by itself.
  const below: number[] = [];
  for (let count = likeliest, weight = 1; count > 0; count--) {
    weight *= count / (trials - count + 1) / odds;
    if (weight < NEGLIGIBLE) break;
    below.push(weight);
  }
  const above: number[] = [];
  for (let count = likeliest, weight = 1; count < trials; count++) {
    weight *= ((trials - count) / (count + 1)) * odds;
    if (weight < NEGLIGIBLE) break;
    above.push(weight);
  }
  const limit = (sum(below) + 1 + sum(above)) * (OUTSIDE / 2);
  return [likeliest - reach(below, limit), likeliest + reach(above, limit)];
}

/** How many of these counts are within, the nearest first: those further off come to no more than the limit. */
function reach(weights: readonly number[], limit: number): number {
  let further = 0;
  for (let within = weights.length; within > 0; within--) {
    further += weights[within - 1] ?? 0;
    if (further > limit) return within;
  }
  return 0;
}

function sum(weights: readonly number[]): number {
  return weights.reduce((total, weight) => total + weight, 0);
}

/**
 * At most so likely is it that somebody is not reached, where each node that is reached tells each other once, and messages are
 * lost: for each set of nodes, all messages into it from outside would have to be.
 */
export function unreachedChance(nodes: number, loss: number): number {
  const others = nodes - 1;
  let chance = 0;
  let sets = 0;
  for (let size = 1; size <= others; size++) {
    sets += Math.log((others - size + 1) / size);
    chance += Math.exp(sets + size * (nodes - size) * Math.log(loss));
  }
  return chance;
}
