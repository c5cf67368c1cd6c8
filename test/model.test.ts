/** A bounded share of the model's runs; `test/model/main.ts` makes as many as one likes. */
import { describe, expect, test } from "vitest";
import { RULES } from "./model/rules.ts";
import { planOf, run } from "./model/run.ts";
import { SCENARIOS } from "./model/scenarios.ts";
import { shorten } from "./model/shorten.ts";
import type { Count } from "./model/state.ts";

const STEPS = 300;
const SEEDS = 500;

const whole = (seed: number) => run(planOf(seed), { removed: undefined, steps: STEPS });

test(`the rules hold in ${SEEDS} random runs, which exercise them all`, () => {
  const totals = new Map<string, number>();
  for (let seed = 1; seed <= SEEDS; seed++) {
    const { violation, counts } = whole(seed);
    expect(violation?.message, `seed ${seed}`).toBeUndefined();
    for (const [name, count] of Object.entries(counts)) totals.set(name, (totals.get(name) ?? 0) + count);
  }
  const leasts: Record<Count, number> = {
    exchanges: 50_000,
    watermarks: 20_000,
    purges: 800,
    ghosts: 25,
    drops: 25,
    alarms: 10,
    doubts: 200,
    cuts: 30,
  };
  for (const [name, least] of Object.entries(leasts)) {
    expect(totals.get(name), name).toBeGreaterThanOrEqual(least);
  }
});

describe.each(RULES)("without $name", ({ name, caughtBy }) => {
  const cases: { readonly invariant: string; readonly seed: number }[] = [];
  for (const [invariant, seeds] of Object.entries(caughtBy)) {
    for (const seed of seeds) cases.push({ invariant, seed });
  }

  test("a listed seed breaks each invariant named, and holds with the rule", () => {
    expect(cases.length).toBeGreaterThan(0);
    for (const { invariant, seed } of cases) {
      expect(run(planOf(seed), { removed: name, steps: STEPS }).violation?.invariant, `seed ${seed}`).toBe(
        invariant,
      );
      expect(whole(seed).violation?.message, `seed ${seed}`).toBeUndefined();
    }
  });
});

test("every scenario begins some seed", () => {
  const begun = new Set(Array.from({ length: SEEDS }, (_, seed) => planOf(seed).scenario?.name));
  for (const { name } of SCENARIOS) expect(begun).toContain(name);
});

test("a failing run is shortened and still fails in the same way", () => {
  const options = { removed: "purge-whole-records", steps: STEPS } as const;
  const before = run(planOf(4), options);
  const { actions, outcome } = shorten(planOf(4), options);
  expect(outcome.violation?.invariant).toBe(before.violation?.invariant);
  expect(actions.length).toBeLessThan(before.actions.length / 4);
});

test("the same seed is the same run", () => {
  expect(whole(7).trace).toEqual(whole(7).trace);
});
