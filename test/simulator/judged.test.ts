/** What the simulator once took for a broken invariant and the protocol allows, each as the least that shows it. */

import { platform } from "@hearsay/cli/simulation-platform";
import { DEFAULT_RUMOR_OPTIONS } from "@hearsay/core";
import { makePlan, type Plan, runPlan } from "@hearsay/simulator";
import { StoreError } from "@hearsay/store";
import { expect, test } from "vitest";

type Action = Plan["actions"][number];

const FIRST_NODE = 0;
const SECOND_NODE = 0.5;
const SECOND_OF_FOUR = 0.3;
const THIRD_OF_FOUR = 0.6;
const LAST_NODE = 0.99;

function put(atMs: number, key: string, does: "put" | "delete" = "put", node = FIRST_NODE): Action {
  const [bytes, acks, ttlMs] = [5, 1, 0];
  return {
    kind: "operation",
    atMs,
    client: 0,
    does,
    key,
    context: "none",
    node,
    ttlMs,
    bytes,
    acks,
  };
}

/** Caches hold nothing, so that a read finds what the disk has. */
function planOf(actions: readonly Action[]): Plan {
  const plan = makePlan({ seed: 1, mode: "safety", nodes: 3, minutes: 1 });
  const settings = { ...plan.settings, store: { ...plan.settings.store, cacheMaxBytes: 0 } };
  return { ...plan, settings, durationMs: 20_000, actions };
}

type FaultKind =
  | "crash"
  | "flipped_bits"
  | "isolate"
  | "disk_lost"
  | "old_copy"
  | "leave"
  | "forget"
  | "forgotten_returns"
  | "slow_disk"
  | "overload";

function faultAt(atMs: number, fault: FaultKind, node = FIRST_NODE, durationMs = 500): Action {
  return { kind: "fault", atMs, fault, durationMs, node, other: 0, strength: 1 };
}

function stoppingAt(atMs: number, node: number): Action {
  return { kind: "request", atMs, request: "stopping", key: "", node, strength: 0 };
}

test("a write without a context to a record that its node cannot read covers what the index knows of it", async () => {
  const actions = [put(6_000, "k"), faultAt(8_000, "flipped_bits"), put(8_100, "k")];
  const report = await runPlan(platform, planOf(actions));
  expect(report.fired).toEqual({ flipped_bits: 1 });
  expect(report.violation).toBeUndefined();
});

test("what was replaced by a version whose record was damaged may be shown beside the next write until the context is back", async () => {
  const actions = [
    put(6_000, "k", "put", LAST_NODE),
    faultAt(8_000, "isolate", LAST_NODE, 6_000),
    put(9_000, "k", "put", FIRST_NODE),
    faultAt(10_000, "flipped_bits", SECOND_NODE),
    put(10_100, "k", "put", SECOND_NODE),
    faultAt(11_000, "isolate", FIRST_NODE, 10_000),
  ];
  const report = await runPlan(platform, { ...planOf(actions), durationMs: 25_000 });
  expect(report.violation).toBeUndefined();
  expect(report.fired).toEqual({ isolate: 2, flipped_bits: 1 });
});

test("a directory that opens is kept when the load refuses the start of its node", async () => {
  let starts = 0;
  const report = await runPlan(platform, planOf([put(6_000, "k"), faultAt(8_000, "crash")]), {
    keepsLines: true,
    hooks: {
      storeOpened: async (_store, { name }) => {
        if (name !== "n1") return;
        starts += 1;
        if (starts === 2) throw new StoreError({ code: "overloaded", pendingBytes: 1, outcome: "none" });
      },
    },
  });
  expect(report.violation).toBeUndefined();
  expect(starts).toBe(3);
  expect(report.lines.filter((line) => line.includes("is gone"))).toEqual([]);
});

test("a key that is written anew before its node has heard that the deletion is purged owes nothing to the deletion", async () => {
  const purgedOf: number[] = [];
  const plan = planOf([put(6_000, "k", "delete", LAST_NODE), put(30_000, "k")]);
  const member = { ...plan.settings.member, tombstoneRetentionMs: 10_000 };
  const report = await runPlan(
    platform,
    { ...plan, durationMs: 40_000, settings: { ...plan.settings, member } },
    {
      hooks: {
        opened: ({ store }, machine) => {
          if (machine.name !== "n1") return;
          const purge = store.purge.bind(store);
          store.purge = async (floor, limit) => {
            const answer = await purge(floor, limit);
            if (answer.purged === 0) return answer;
            purgedOf.push(answer.purged);
            return await new Promise((answered) => machine.run?.after(20_000, () => answered(answer)));
          };
        },
      },
    },
  );
  expect(purgedOf).toEqual([1]);
  expect(report.violation).toBeUndefined();
});

test("an operator forgets no id at a node that does not know yet who else has what that one wrote", async () => {
  const actions = [
    faultAt(7_000, "isolate", LAST_NODE, 60_000),
    put(8_000, "k", "put", SECOND_NODE),
    faultAt(9_000, "disk_lost", FIRST_NODE),
    faultAt(20_000, "disk_lost", SECOND_NODE),
  ];
  const report = await runPlan(platform, { ...planOf(actions), durationMs: 60_000 });
  expect(report.violation).toBeUndefined();
  expect(report.fired).toEqual({ isolate: 1, disk_lost: 2 });
});

test("what was given up with its node and is dropped as a ghost when the node returns need not be handed over", async () => {
  const plan = planOf([
    faultAt(6_000, "isolate", FIRST_NODE, 5_000),
    put(7_000, "k"),
    faultAt(9_000, "forgotten_returns", FIRST_NODE, 6_000),
    faultAt(60_000, "leave", FIRST_NODE),
  ]);
  const report = await runPlan(platform, { ...plan, nodes: 4, durationMs: 70_000 }, { keepsLines: true });
  expect(report.violation).toBeUndefined();
  expect(report.fired).toEqual({ isolate: 1, forget: 1, forgotten_returns: 1, leave: 1 });
  expect(report.lines.filter((line) => line.endsWith("n1 drops k"))).toHaveLength(1);
});

test("a node that is about to leave when a core is chosen is no part of it", async () => {
  // The first exchange by which it hands over is lost, and another takes its place when that has timed out.
  const actions = [faultAt(19_990, "isolate", LAST_NODE), faultAt(19_991, "leave", LAST_NODE)];
  const report = await runPlan(platform, { ...planOf(actions), mode: "liveness", nodes: 4 });
  expect(report.violation).toBeUndefined();
  expect(report.fired).toEqual({ isolate: 1, leave: 1 });
});

test("when nobody can become a member any more, one goes on alone with what all hold, and the others enter its cluster", async () => {
  // Two directories are gone for good, and the third comes back as another before it has recorded both successors.
  const actions = [
    put(6_000, "k"),
    faultAt(8_000, "isolate", FIRST_NODE, 30_000),
    faultAt(9_000, "disk_lost", FIRST_NODE),
    faultAt(12_000, "disk_lost", SECOND_NODE),
    faultAt(12_000, "old_copy", LAST_NODE),
  ];
  const report = await runPlan(platform, { ...planOf(actions), durationMs: 40_000 }, { keepsLines: true });
  expect(report.violation).toBeUndefined();
  expect(report.lines.filter((line) => line.includes("goes on alone"))).toHaveLength(1);
  expect(report.checks.durability).toBeGreaterThan(0);
});

test("a node that is told while it starts that it was forgotten comes back as another when it has started", async () => {
  const plan = { ...planOf([faultAt(8_000, "forget")]), nodes: 4, durationMs: 30_000 };
  const report = await runPlan(platform, plan, {
    hooks: {
      opened: ({ member }, machine) => {
        const start = member.start.bind(member);
        member.start = async () => {
          await start();
          // What it stores at its start takes so long.
          await new Promise<void>((done) => machine.run?.after(machine.name === "n1" ? 5_000 : 0, done));
        };
      },
    },
  });
  expect(report.violation).toBeUndefined();
  expect(report.fired).toEqual({ forget: 1, forgotten_returns: 1 });
});

test("a node that was forgotten by the word of one that lost it again holds what a leaver has handed over to it", async () => {
  const actions = [
    faultAt(8_000, "forget", LAST_NODE),
    faultAt(14_500, "isolate", FIRST_NODE, 8_000),
    faultAt(18_000, "disk_lost", FIRST_NODE),
    faultAt(29_500, "isolate", FIRST_NODE, 25_000),
    faultAt(29_500, "isolate", SECOND_OF_FOUR, 25_000),
    faultAt(30_000, "leave", THIRD_OF_FOUR),
  ];
  const { settings, ...plan } = planOf(actions);
  // Nothing but the exchange of the leaver brings its last writes to anybody.
  const rumors = { ...DEFAULT_RUMOR_OPTIONS, mode: "pull" as const, directMailMax: 0, pullIntervalMs: 5_000 };
  const quiet = { ...settings, member: { ...settings.member, rumors } };
  const report = await runPlan(platform, { ...plan, settings: quiet, nodes: 4, durationMs: 60_000 });
  expect(report.violation).toBeUndefined();
  expect(report.fired).toEqual({ forget: 1, disk_lost: 1, isolate: 3, leave: 1 });
});

test("a burst that begins below the bound of what waits for the disk may go beyond it by what comes in its turn", async () => {
  const actions = [faultAt(8_000, "slow_disk", FIRST_NODE, 10_000), faultAt(10_200, "overload")];
  const { settings, ...plan } = planOf(actions);
  const store = { ...settings.store, pendingMaxBytes: 16 * 1024 };
  const report = await runPlan(platform, { ...plan, settings: { ...settings, store } });
  expect(report.violation).toBeUndefined();
  expect(report.fired).toMatchObject({ slow_disk: 1 });
});

test("a deletion that a killed node had on its disk and nobody knew of, and that was forgotten with it, goes at the floor", async () => {
  const actions = [
    put(66_000, "k"),
    faultAt(69_000, "slow_disk", FIRST_NODE, 5_000),
    put(70_000, "k", "delete"),
    faultAt(70_005, "forgotten_returns", FIRST_NODE, 20_000),
  ];
  // Whether the batch under way reaches the disk is up to chance, and with the first of these seeds it does.
  for (let seed = 11; ; seed++) {
    expect(seed).toBeLessThan(50);
    const { settings, ...plan } = { ...makePlan({ seed, mode: "safety", nodes: 4, minutes: 2 }), actions };
    const member = { ...settings.member, tombstoneRetentionMs: 10_000 };
    const report = await runPlan(
      platform,
      { ...plan, settings: { ...settings, member } },
      { keepsLines: true },
    );
    expect(report.violation).toBeUndefined();
    expect(report.fired).toMatchObject({ forgotten_returns: 1 });
    if (report.lines.some((line) => line.endsWith("n1 drops k"))) return;
  }
});

test("a node may be stopped for the sake of one that was forgotten out of its hearing and holds all that it has", async () => {
  const actions = [
    faultAt(8_000, "forget", LAST_NODE),
    faultAt(15_000, "isolate", FIRST_NODE, 30_000),
    faultAt(15_000, "isolate", SECOND_OF_FOUR, 30_000),
    put(26_000, "k", "put", THIRD_OF_FOUR),
    stoppingAt(44_000, THIRD_OF_FOUR),
  ];
  const report = await runPlan(platform, { ...planOf(actions), nodes: 4, durationMs: 50_000 });
  expect(report.violation).toBeUndefined();
  expect(report.fired).toMatchObject({ forget: 1, isolate: 2 });
  expect(report.answered).toEqual({ stopping: 1 });
});

test("a node that says that it may be stopped before anybody has its last write is noticed all the same", async () => {
  const actions = [
    faultAt(12_000, "isolate", FIRST_NODE, 5_000),
    put(12_010, "k", "put", FIRST_NODE),
    stoppingAt(12_100, FIRST_NODE),
  ];
  const report = await runPlan(platform, planOf(actions), {
    hooks: {
      opened: ({ member }) => {
        member.standIn = () => {
          const [to = member.id] = member.membership.livePeers().map(({ id }) => id);
          return Promise.resolve({ to, through: member.lastWrite, senders: new Set() });
        };
      },
    },
  });
  expect(report.violation?.detail).toContain("n1 may be stopped, it says, and nobody else alive has ");
});

test("a node that is still joining forgets nobody when it is asked to, so nobody is given up", async () => {
  const actions = [
    faultAt(8_000, "isolate", FIRST_NODE, 30_000),
    faultAt(9_000, "disk_lost", FIRST_NODE),
    faultAt(12_000, "forgotten_returns", LAST_NODE),
  ];
  const report = await runPlan(
    platform,
    { ...planOf(actions), nodes: 4, durationMs: 25_000 },
    { keepsLines: true, endMs: 24_000 },
  );
  expect(report.violation).toBeUndefined();
  expect(report.fired).toEqual({ disk_lost: 1 });
  expect(report.lines.filter((line) => line.endsWith("n4 starts"))).toHaveLength(2);
  expect(report.lines.filter((line) => line.includes("n4 is n4~"))).toHaveLength(1);
});

test("a deletion that lost by policy goes at the floor although a member has never met more than what it lost to", async () => {
  const actions = [
    faultAt(66_000, "isolate", FIRST_NODE, 2_000),
    put(67_000, "k", "delete", THIRD_OF_FOUR),
    faultAt(67_500, "forget", LAST_NODE, 40_000),
    put(68_010, "k"),
  ];
  const { settings, ...plan } = planOf(actions);
  const policies = new Map([["k", "discard" as const]]);
  const member = { ...settings.member, tombstoneRetentionMs: 10_000 };
  const report = await runPlan(
    platform,
    { ...plan, settings: { ...settings, policies, member }, nodes: 4, durationMs: 115_000 },
    { keepsLines: true },
  );
  expect(report.violation).toBeUndefined();
  expect(report.fired).toMatchObject({ isolate: 1, forget: 1, forgotten_returns: 1 });
  expect(report.lines.filter((line) => line.endsWith("n4 drops k"))).toHaveLength(1);
});

test("where all that work have lost their directories and none is a member any more, one of them goes on alone", async () => {
  const plan = makePlan({ seed: 1977, mode: "liveness", nodes: 5, minutes: 10 });
  const report = await runPlan(platform, plan, { keepsLines: true });
  expect(report.violation).toBeUndefined();
  const core = report.lines.findIndex((line) => line.includes("the core is"));
  expect(report.lines.slice(core).filter((line) => line.includes("goes on alone"))).toHaveLength(1);
});

test("an old copy of a directory of a cluster in whose place another was begun is emptied, with whoever it has let in", async () => {
  const plan = makePlan({ seed: 4771, mode: "safety", nodes: 5, minutes: 10 });
  const report = await runPlan(platform, plan, { keepsLines: true });
  expect(report.violation).toBeUndefined();
  const end = report.lines.findIndex((line) => line.includes("everything works again"));
  const emptied = report.lines.slice(end).filter((line) => line.includes("the directory of"));
  expect(emptied.length).toBeGreaterThan(0);
});
