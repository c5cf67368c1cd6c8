/** A hundred short runs. The long ones are `npm run test:sim`. */

import { platform } from "@hearsay/cli/simulation-platform";
import {
  FAULT_KINDS,
  type Hooks,
  huntMutant,
  INVARIANTS,
  MUTANTS,
  makePlan,
  type Plan,
  type RunReport,
  runPlan,
  shrink,
} from "@hearsay/simulator";
import { expect, test } from "vitest";

const SEEDS = 100;
const SHORT = { nodes: 5, minutes: 0.4 };

async function runSeed(seed: number, mode: "safety" | "liveness" = "safety"): Promise<RunReport> {
  return await runPlan(platform, makePlan({ seed, mode, ...SHORT }));
}

test("a hundred clusters keep every invariant through faults of every kind", async () => {
  const fired = new Set<string>();
  const checked = new Set<string>();
  for (let seed = 1; seed <= SEEDS; seed++) {
    const { violation, fired: faults, checks } = await runSeed(seed);
    expect(violation, `seed ${seed}`).toBeUndefined();
    for (const kind of Object.keys(faults)) fired.add(kind);
    for (const name of Object.keys(checks)) checked.add(name);
  }
  expect(FAULT_KINDS.length - fired.size).toBeLessThanOrEqual(5);
  // Ghosts are too seldom for short runs, and failures of a node itself are not looked for one by one.
  expect(Object.keys(INVARIANTS).filter((name) => !checked.has(name))).toEqual(["ghosts", "failure"]);
}, 300_000);

test("a majority becomes one again while the others stay broken for good", async () => {
  for (let seed = 1; seed <= 5; seed++) {
    const { violation } = await runSeed(seed, "liveness");
    expect(violation, `seed ${seed}`).toBeUndefined();
  }
});

test("a seed goes the same way each time, also when a callback of the event loop starts it, and another seed another way", async () => {
  const called = new Promise<RunReport>((resolve, reject) => {
    setImmediate(() => runSeed(3).then(resolve, reject));
  });
  const [first, second, other] = [await called, await runSeed(3), await runSeed(4)];
  expect(second.traceHash).toBe(first.traceHash);
  expect(other.traceHash).not.toBe(first.traceHash);
});

test.each([
  "acknowledged_before_commit",
  "merge_drops_a_sibling",
  "last_arrival_wins",
  "tombstone_removed_at_once",
  "watermark_of_this_node_alone",
  "acknowledged_by_nobody",
  "older_record_read",
  "nothing_read",
  "content_type_lost",
  "watermark_falls",
  "everybody_said_to_hold",
  "differences_not_told",
  "drift_not_refused",
  "no_rumors",
])("the planted bug %s is noticed", async (name) => {
  const mutant = MUTANTS.find((one) => one.name === name);
  if (mutant === undefined) throw new Error(`there is no ${name}`);
  const hunt = await huntMutant(platform, mutant, { seeds: { from: 1, to: 10 }, nodes: 5, minutes: 1 });
  expect(hunt.violation).toBeDefined();
});

test("the version that a violation names is found in the lines that say who stored and who acknowledged what", async () => {
  const mutant = MUTANTS.find(({ name }) => name === "merge_drops_a_sibling");
  const plan = makePlan({ seed: 1, mode: "safety", nodes: 3, minutes: 1 });
  const report = await runPlan(platform, plan, { hooks: mutant?.hooks() ?? {}, keepsLines: true });
  const [named = ""] = /\d+ by n\d+~\w+/.exec(report.violation?.detail ?? "") ?? [];
  expect(named).not.toBe("");
  const about = (verb: string): string[] => report.lines.filter((line) => line.includes(` ${verb} `));
  expect(about("stores").some((line) => line.includes(` at ${named}`))).toBe(true);
  expect(about("acknowledges").some((line) => line.includes(` at ${named}`))).toBe(true);
  // Of a value of a thousand bytes no more is shown than tells it from others.
  expect(Math.max(...about("acknowledges").map(({ length }) => length))).toBeLessThan(120);
});

test("a run that breaks an invariant is cut down to a few actions that still do", async () => {
  const mutant = MUTANTS.find(({ name }) => name === "merge_drops_a_sibling");
  if (mutant === undefined) throw new Error("there is no such mutant");
  const plan = makePlan({ seed: 1, mode: "safety", nodes: 3, minutes: 1 });
  const report = await runPlan(platform, plan, { hooks: mutant.hooks() });
  const shrunk = await shrink(plan, report, {
    maxRuns: 60,
    lanes: 2,
    run: (candidate, endMs) => runPlan(platform, candidate, { hooks: mutant.hooks(), endMs }),
  });
  expect(shrunk.report.violation?.invariant).toBe(report.violation?.invariant);
  expect(shrunk.runs).toBeLessThanOrEqual(60);
  expect(shrunk.plan.actions.length).toBeLessThanOrEqual(12);
});

test("what the simulator itself throws breaks an invariant of its seed, which replays and is cut down", async () => {
  const plan = makePlan({ seed: 1, mode: "safety", nodes: 3, minutes: 1 });
  const hooks: Hooks = {
    opened: ({ member }, { name }) => {
      // Only who inspects a node asks for this.
      Object.defineProperty(member, "acksPending", {
        get: () => {
          throw new Error(`planted in ${name}`);
        },
      });
    },
  };
  const report = await runPlan(platform, plan, { hooks });
  expect(report.violation).toMatchObject({ invariant: "failure" });
  expect(report.violation?.detail).toMatch(/^Error: planted in n\d\n +at /);
  expect(await runPlan(platform, plan, { hooks })).toMatchObject({ traceHash: report.traceHash });
  const run = (candidate: Plan, endMs: number | undefined) => runPlan(platform, candidate, { hooks, endMs });
  const shrunk = await shrink(plan, report, { maxRuns: 10, lanes: 1, run });
  expect(shrunk.plan.actions).toEqual([]);
});
