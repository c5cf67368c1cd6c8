import { expect, test } from "vitest";
import { FAULT_KINDS } from "./faults.ts";
import { makePlan } from "./plan.ts";

test("each kind of fault is drawn by some seed", () => {
  const drawn = new Set<string>();
  for (let seed = 1; seed <= 100; seed++) {
    const { beginning, actions } = makePlan({ seed, mode: "safety", nodes: 5, minutes: 10 });
    for (const action of actions) if (action.kind === "fault") drawn.add(action.fault);
    if (beginning !== undefined) drawn.add("founded");
  }
  expect([...drawn].sort()).toEqual([...FAULT_KINDS].sort());
});
