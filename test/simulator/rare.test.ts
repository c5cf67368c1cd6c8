/** Faults that strike seldom and views that are not whole, each by itself. */

import { platform } from "@hearsay/cli/simulation-platform";
import { ANTI_ENTROPY_DEFAULTS } from "@hearsay/core";
import { MUTANTS, makePlan, type Plan, type RunReport, runPlan } from "@hearsay/simulator";
import { expect, test } from "vitest";

type Action = Plan["actions"][number];
type Fault = Extract<Action, { readonly kind: "fault" }>;

const FIRST_NODE = 0;
const SECOND_OF_THREE = 0.5;
const LAST_NODE = 0.99;
const RETENTION_MS = 10_000;

function put(atMs: number, key: string, node = FIRST_NODE): Extract<Action, { readonly kind: "operation" }> {
  return {
    kind: "operation",
    atMs,
    client: 0,
    does: "put",
    key,
    context: "none",
    node,
    ttlMs: 0,
    bytes: 5,
    acks: 1,
  };
}

function del(atMs: number, key: string): Action {
  return { ...put(atMs, key), does: "delete" };
}

function faultAt(atMs: number, fault: Fault["fault"], other = 0, durationMs = 500): Action {
  return { kind: "fault", atMs, fault, durationMs, node: FIRST_NODE, other, strength: 0 };
}

/** Never with as long as a retention in between. */
function kills(fromMs: number, count: number): Action[] {
  return Array.from({ length: count }, (_, i) => faultAt(fromMs + 4_000 * i, "crash"));
}

interface Setting {
  readonly nodes?: number;
  readonly viewSize?: number;
  readonly mutant?: string;
  readonly hooks?: NonNullable<Parameters<typeof runPlan>[2]>["hooks"];
  readonly exchanges?: { readonly intervalMs: number };
}

async function runOf(
  actions: readonly Action[],
  durationMs: number,
  { nodes = 3, viewSize, mutant, exchanges, hooks: planted }: Setting = {},
): Promise<RunReport> {
  const { settings, ...plan } = makePlan({ seed: 1, mode: "safety", nodes, minutes: 1 });
  const member = {
    ...settings.member,
    tombstoneRetentionMs: RETENTION_MS,
    antiEntropy: { ...ANTI_ENTROPY_DEFAULTS, ...settings.member.antiEntropy, ...exchanges },
  };
  const hooks = planted ?? MUTANTS.find(({ name }) => name === mutant)?.hooks();
  return await runPlan(
    platform,
    { ...plan, settings: { ...settings, member, viewSize }, durationMs, actions },
    { keepsLines: true, ...(hooks === undefined ? {} : { hooks }) },
  );
}

test("a record that goes from a disk without a trace comes back with an alarm, and without one that is noticed", async () => {
  const actions = [put(6_000, "k"), faultAt(40_000, "silent_loss")];
  const report = await runOf(actions, 45_000);
  expect(report.violation).toBeUndefined();
  expect(report.fired).toEqual({ silent_loss: 1 });
  expect(report.counted["hearsay_silent_loss_alarms_total"]).toBe(1);
  const silent = await runOf(actions, 45_000, { mutant: "silent_loss_not_told" });
  expect(silent.violation).toMatchObject({ invariant: "alarm" });
});

/** What takes the place of a ghost comes before the ghost goes. */
const DROPPED_AFTER_THE_MERGE: Setting["hooks"] = {
  node: (node) => {
    const admit = node.admit.bind(node);
    node.admit = (records, own, sender, refused) => {
      const admitted = admit(records, own, sender, []);
      const dropped = admit([], own, sender, refused);
      if ("code" in admitted || "code" in dropped) return admitted;
      const committed = Promise.all([admitted.committed, dropped.committed]).then(() => undefined);
      return { ...admitted, committed };
    };
  },
};

const KEPT_NOWHERE: Setting["hooks"] = {
  memberPorts: (ports) => ({
    ...ports,
    graveyard: {
      purge: (floor, limit) => ports.graveyard.purge(floor, limit),
      remove: (key) => ports.graveyard.remove(key),
      dropDamaged: (...rule) => ports.graveyard.dropDamaged(...rule),
      quarantine: () => Promise.resolve(true),
    },
  }),
};

test("where a ghost goes, the value that it had replaced takes its place, and where it does not, or the ghost is kept nowhere, that is noticed", async () => {
  const actions = [
    put(6_000, "k"),
    faultAt(9_000, "isolate", 0, 5_000),
    put(10_000, "k"),
    faultAt(12_000, "forgotten_returns", 0, 80_000),
  ];
  // So seldom that its first exchange finds the returned node let in.
  const seldom = { nodes: 4, exchanges: { intervalMs: 8_000 } };
  const report = await runOf(actions, 120_000, seldom);
  expect(report.violation).toBeUndefined();
  expect(report.fired).toEqual({ isolate: 1, forget: 1, forgotten_returns: 1 });
  expect(report.counted["hearsay_ghosts_quarantined_total"]).toBe(1);
  const late = await runOf(actions, 120_000, { ...seldom, hooks: DROPPED_AFTER_THE_MERGE });
  expect(late.violation).toMatchObject({ invariant: "alarm" });
  const unkept = await runOf(actions, 120_000, { ...seldom, hooks: KEPT_NOWHERE });
  expect(unkept.violation).toMatchObject({ invariant: "ghosts" });
});

test.each([
  [
    "a record that goes from a disk alone is missed at the next start, and its node comes back as another",
    0,
    2,
  ],
  ["an index entry that goes from a disk alone is made good at the next start", 0.9, 1],
])("%s", async (_, other, ids) => {
  const report = await runOf([put(6_000, "k"), faultAt(8_000, "entry_lost", other)], 15_000);
  expect(report.violation).toBeUndefined();
  expect(report.fired).toEqual({ entry_lost: 1 });
  expect(report.lines.filter((line) => / n1 is n1~.* now$/.test(line))).toHaveLength(ids);
});

test.each([
  ["of which a salvage leaves nothing but the quarantine is fetched from the others", [], 0.1],
  ["that was purged, and that a salvage brings back into quarantine, is forgotten", [del(7_000, "k")], 0.5],
  ["that was healed before a salvage brings its damage back is what it is", [], 0.9],
])("a key %s, however often its node is killed", async (_, more, other) => {
  const actions = [put(6_000, "k"), ...more, faultAt(40_000, "salvage_leftover", other), ...kills(43_000, 6)];
  const report = await runOf(actions, 66_000);
  expect(report.violation).toBeUndefined();
  expect(report.fired).toEqual({ salvage_leftover: 1, crash: 6 });
});

test("what is unreadable and counts from the start of a process stays damaged while its node is killed, and that is noticed", async () => {
  const actions = [put(6_000, "k"), del(7_000, "k"), faultAt(40_000, "salvage_leftover", 0.5)];
  const report = await runOf([...actions, ...kills(43_000, 6)], 66_000, {
    mutant: "unreadable_counts_from_the_run",
  });
  expect(report.violation).toMatchObject({ invariant: "healing" });
});

test("the one directory that is left goes on alone, and the others enter its cluster", async () => {
  const report = await runOf([put(6_000, "k"), faultAt(12_000, "reset_alone"), put(40_000, "l")], 45_000);
  expect(report.violation).toBeUndefined();
  expect(report.fired).toEqual({ reset_alone: 1 });
  expect(report.lines.filter((line) => line.includes("n2 stores k at "))).toHaveLength(2);
});

test("what a snapshot holds is held by a cluster that is begun with it, and what came later is lost", async () => {
  const actions = [put(6_000, "k"), faultAt(30_000, "restored"), put(31_000, "later"), put(60_000, "l")];
  const report = await runOf(actions, 65_000);
  expect(report.violation).toBeUndefined();
  expect(report.fired).toEqual({ restored: 1 });
  expect(report.lines.filter((line) => line.includes("n2 stores k at "))).toHaveLength(2);
  expect(report.lines.filter((line) => line.includes("n2 stores later at "))).toHaveLength(1);
});

test("what is put back from a snapshot is looked for before a disk can lose it silently", async () => {
  const actions = [put(6_000, "k"), faultAt(30_000, "restored")];
  const { lines } = await runOf(actions, 45_000);
  const back = lines.findLast((line) => line.includes("n1 stores k at "));
  const lost = faultAt(Number.parseFloat(back ?? "") * 1_000 + 2, "silent_loss");
  const report = await runOf([...actions, lost], 45_000);
  expect(report.violation).toBeUndefined();
  expect(report.fired).toEqual({ restored: 1, silent_loss: 1 });
});

test("two nodes that lose their directories behind a partition do no harm, and are noticed where they begin a cluster", async () => {
  const actions = [put(6_000, "k"), faultAt(20_000, "pair_lost", 0.3)];
  const report = await runOf(actions, 70_000, { nodes: 5 });
  expect(report.violation).toBeUndefined();
  expect(report.fired).toEqual({ pair_lost: 1 });
  const apart = await runOf(actions, 70_000, { nodes: 5, mutant: "newcomers_record_each_other" });
  expect(apart.violation).toBeDefined();
});

test.each(["begun_beside", "alone_beside"] as const)(
  "one node is a cluster of its own for a while (%s), and neither it nor the others lose anything, unless they become one",
  async (kind) => {
    // They meet when its floor has passed what the others have taken without it.
    const faults = [faultAt(30_000, "isolate", 0, 25_000), faultAt(30_000, kind, 0, 40_000)];
    const actions = [put(6_000, "k"), ...faults, put(31_000, "l", LAST_NODE), put(70_000, "m")];
    const report = await runOf(actions, 90_000);
    expect(report.violation).toBeUndefined();
    expect(report.fired).toEqual({ isolate: 1, [kind]: 1 });
    const one = await runOf(actions, 90_000, { mutant: "two_clusters_become_one" });
    expect(one.violation).toBeDefined();
  },
);

test("what was deleted, and its deletion purged, comes back when every member is in doubt at one time, and that is no broken promise", async () => {
  const copies = [FIRST_NODE, SECOND_OF_THREE].map((node) => ({
    ...faultAt(8_000, "old_copy", 0, 10_000),
    node,
  }));
  const actions = [
    put(6_000, "k"),
    put(6_500, "l"),
    ...copies,
    del(10_000, "k"),
    { ...faultAt(47_900, "entry_lost"), node: LAST_NODE },
  ];
  const report = await runOf(actions, 80_000);
  expect(report.violation).toBeUndefined();
  expect(report.fired).toEqual({ old_copy: 2, entry_lost: 1 });
  const gone = report.lines.findIndex((line) => line.endsWith("n3 drops k"));
  expect(report.lines.slice(gone).filter((line) => line.includes("n3 stores k at "))).toHaveLength(1);
});

test("what is copied while a node is a cluster of its own is not put back once it is in that of the others again", async () => {
  const actions = [
    put(6_000, "k"),
    faultAt(20_000, "begun_beside", 0, 12_000),
    faultAt(30_000, "old_copy", 0, 2_000),
  ];
  const report = await runOf(actions, 60_000);
  expect(report.violation).toBeUndefined();
  expect(report.lines.filter((line) => line.includes("fault old_copy at n1"))).toHaveLength(1);
  expect(report.fired).toEqual({ begun_beside: 1 });
});

test("a node may be stopped once another has what it alone was given before the giver went for good, and not before", async () => {
  const actions = [put(6_000, "k"), faultAt(12_000, "legacy", 0, 5_000)];
  const report = await runOf(actions, 20_000, { nodes: 4 });
  expect(report.violation).toBeUndefined();
  expect(report.fired).toEqual({ legacy: 1 });
  expect(report.answered.stopping).toBeGreaterThan(0);
  const early = await runOf(actions, 20_000, { nodes: 4, mutant: "stopped_by_an_earlier_exchange" });
  expect(early.violation?.detail).toContain("of legacy at");
});

test("no directory is lost any more once the time of faults is over", async () => {
  const actions = [
    put(6_000, "k"),
    faultAt(19_000, "isolate", 0, 10_000),
    faultAt(19_500, "legacy", 0, 5_000),
  ];
  const report = await runOf(actions, 20_000);
  expect(report.violation).toBeUndefined();
  expect(report.lines.filter((line) => line.includes("is killed"))).toEqual([]);
});

test("a machine is replaced by another under its name, and nodes come to agree that gossip with one other at a time", async () => {
  const actions = [put(6_000, "k"), faultAt(8_000, "replaced"), faultAt(20_000, "retention_changed")];
  const report = await runOf(actions, 40_000, { nodes: 4, viewSize: 1 });
  expect(report.violation).toBeUndefined();
  expect(report.fired).toEqual({ replaced: 1, retention_changed: 1 });
});

test.each([
  ["some begin a second cluster", 14, {}, "of two clusters"],
  [
    "a founder that was stopped is left outside",
    40,
    { founded: 1, founder_stopped: 1 },
    "not members within",
  ],
])(
  "nodes that are told of one another begin one cluster; with who does not answer taken for nobody, %s",
  async (_, seed, fired, detail) => {
    const plan = makePlan({ seed, mode: "safety", nodes: 5, minutes: 1 });
    const report = await runPlan(platform, plan);
    expect(report.violation).toBeUndefined();
    expect(report.fired).toMatchObject(fired);
    const hooks = MUTANTS.find(({ name }) => name === "founded_with_whoever_answers")?.hooks() ?? {};
    const planted = await runPlan(platform, plan, { hooks });
    expect(planted.violation?.invariant).toBe("founding");
    expect(planted.violation?.detail).toContain(detail);
  },
);

test("a node that goes on alone is left without an address to join until others have entered, also when it is killed before", async () => {
  const report = await runPlan(platform, makePlan({ seed: 11, mode: "safety", nodes: 5, minutes: 1 }));
  expect(report.violation).toBeUndefined();
  expect(report.fired.reset_alone).toBe(1);
});

test("a write that its node alone had, and brings back after it was given up, may be taken for a loss, and that is no false alarm", async () => {
  const plan = makePlan({ seed: 4031, mode: "safety", nodes: 5, minutes: 10 });
  const durationMs = 183_000;
  // Nothing is lost without a trace here.
  const actions = plan.actions.filter(
    (action) => action.atMs < durationMs && !("fault" in action && action.fault === "silent_loss"),
  );
  const report = await runPlan(platform, { ...plan, beginning: undefined, durationMs, actions });
  expect(report.violation).toBeUndefined();
  expect(report.counted["hearsay_silent_loss_alarms_total"]).toBeGreaterThan(0);
});
