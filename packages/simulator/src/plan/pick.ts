import { type RandomSource, randomBelow } from "@hearsay/core";

export function pick<T>(random: RandomSource, choices: readonly [T, ...T[]] | readonly T[]): T {
  const chosen = choices[randomBelow(random, choices.length)];
  if (chosen === undefined) throw new RangeError("nothing to choose from");
  return chosen;
}
