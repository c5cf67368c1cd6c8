/**
 * node test/dist/model/main.js --seeds 1..2000 [--steps 300] [--break RULE | --break all] [--trace] [--limit SECONDS]
 * Runs the model, whole or without a rule, and says what was noticed by which seeds.
 */
import { parseArgs } from "node:util";
import type { Invariant } from "./checks.ts";
import { RULES, type RuleName } from "./rules.ts";
import { planOf, run } from "./run.ts";
import { shorten } from "./shorten.ts";
import { COUNTS } from "./state.ts";

const { values } = parseArgs({
  options: {
    seeds: { type: "string", default: "1..500" },
    steps: { type: "string", default: "300" },
    break: { type: "string", default: "" },
    limit: { type: "string", default: "60" },
    trace: { type: "boolean", default: false },
  },
});

const [low = 1, high = low] = values.seeds.split("..").map(Number);
const steps = Number(values.steps);

function say(line: string): void {
  process.stdout.write(`${line}\n`);
}

function study(removed: RuleName | undefined): void {
  const found = new Map<Invariant, number[]>();
  const counts = new Map<string, number>();
  const deadline = performance.now() + Number(values.limit) * 1000;
  let ran = 0;
  for (let seed = low; seed <= high && performance.now() < deadline; seed++) {
    const outcome = run(planOf(seed), { removed, steps });
    ran += 1;
    for (const name of COUNTS) counts.set(name, (counts.get(name) ?? 0) + outcome.counts[name]);
    if (outcome.violation === undefined) continue;
    const { invariant } = outcome.violation;
    const seeds = found.get(invariant) ?? [];
    found.set(invariant, [...seeds, seed]);
  }
  const totals = [...counts].map(([name, count]) => `${name} ${count}`).join(", ");
  say(`${removed ?? "whole"}: ${ran} runs; ${totals}`);
  for (const [invariant, seeds] of found) {
    say(`  ${invariant}: ${seeds.length} (${seeds.slice(0, 8).join()})`);
    const [first] = seeds;
    if (values.trace && first !== undefined) explain(first, removed);
  }
}

function explain(seed: number, removed: RuleName | undefined): void {
  const plan = planOf(seed);
  const { actions, outcome } = shorten(plan, { removed, steps });
  say(`    seed ${seed}, ${plan.profile.name}, ${plan.scenario?.name ?? "no script"}`);
  for (const action of actions) say(`      ${JSON.stringify(action)}`);
  for (const line of outcome.trace.slice(-60)) say(`    | ${line}`);
  say(`    ${outcome.violation?.message ?? ""}`);
}

const removed = RULES.find(({ name }) => name === values.break)?.name;
if (values.break === "all") for (const { name } of RULES) study(name);
else if (values.break !== "" && removed === undefined) say(`no such rule: ${values.break}`);
else study(removed);
