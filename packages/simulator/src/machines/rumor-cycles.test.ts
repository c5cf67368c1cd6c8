import { expect, test } from "vitest";
import { type CycleExperiment, runRumorCycles } from "./rumor-cycles.ts";

const EXPERIMENT: CycleExperiment = {
  nodes: 100,
  mode: "push",
  interest: "blind_coin",
  k: 2,
  fanout: 1,
  cyclesMax: 99,
  seed: 7,
};

test("the same seed gives the same run, another one another", () => {
  expect(runRumorCycles(EXPERIMENT)).toEqual(runRumorCycles(EXPERIMENT));
  expect(runRumorCycles(EXPERIMENT)).not.toEqual(runRumorCycles({ ...EXPERIMENT, seed: 8 }));
  const lossy = { ...EXPERIMENT, loss: 0.3 };
  expect(runRumorCycles(lossy)).toEqual(runRumorCycles(lossy));
});

test("mail costs a request and a reply for each other node, and broadcast that for each pair", () => {
  const mail = runRumorCycles({ ...EXPERIMENT, mode: "mail" });
  expect([mail.residue, mail.messages * 100, mail.lastCycle]).toEqual([0, 2 * 99, 1]);
  const eager = runRumorCycles({ ...EXPERIMENT, mode: "eager" });
  expect([eager.residue, Math.round(eager.messages * 100)]).toEqual([0, 2 * 100 * 99]);
});

test("a writer that fails half-way leaves half of the nodes without its mail", () => {
  const failed = runRumorCycles({ ...EXPERIMENT, mode: "mail", writerFails: true });
  expect(failed.residue).toBeCloseTo(0.49, 5);
  expect(runRumorCycles({ ...EXPERIMENT, mode: "eager", writerFails: true }).residue).toBe(0);
});

test("a lost message costs mail a node, and push-pull only time", () => {
  const lossy = { ...EXPERIMENT, loss: 0.2, interest: "feedback_counter" } as const;
  const mail = runRumorCycles({ ...lossy, mode: "mail" });
  expect(mail.residue).toBeGreaterThan(0.1);
  expect(mail.residue).toBeLessThan(0.3);
  const endless = { ...lossy, mode: "push_pull", k: Number.POSITIVE_INFINITY } as const;
  expect(runRumorCycles(endless).residue).toBe(0);
  expect(runRumorCycles(endless).lastCycle).toBeGreaterThanOrEqual(
    runRumorCycles({ ...endless, loss: 0 }).lastCycle,
  );
});

test("what is known only grows, and by no more than the contacts of a cycle allow", () => {
  const { known } = runRumorCycles({
    ...EXPERIMENT,
    k: Number.POSITIVE_INFINITY,
    interest: "feedback_counter",
  });
  for (const [i, count] of known.entries()) {
    const before = known[i - 1] ?? 1;
    expect(count).toBeGreaterThanOrEqual(before);
    expect(count).toBeLessThanOrEqual(2 * before);
  }
});
