/** A node that was told to join, and crashed before it had the table of those who may have recorded it. */

import { platform } from "@hearsay/cli/simulation-platform";
import { type Hooks, VirtualCluster } from "@hearsay/simulator";
import { describe, expect, test } from "vitest";

const MINUTE_MS = 60_000;
const SETTINGS = { tombstoneRetentionMs: 30_000 };
/** Longer than deletions are kept. */
const LONG_MS = 2 * MINUTE_MS;
const NAMES = ["a", "b", "d"];

/** The first table that the node sends reaches the others, or does not, and no answer reaches it. */
function cutShort(name: string, arrives: boolean): { readonly hooks: Hooks; sent: boolean } {
  const cut: { hooks: Hooks; sent: boolean } = {
    sent: false,
    hooks: {
      memberPorts: (ports, machine) => {
        if (machine.name !== name || cut.sent) return undefined;
        const { transport } = ports;
        return {
          ...ports,
          transport: {
            request: async (to, message, timeoutMs) => {
              if (message.kind !== "push-pull") return await transport.request(to, message, timeoutMs);
              if (arrives) await transport.request(to, message, timeoutMs);
              cut.sent = true;
              return await new Promise(() => undefined);
            },
          },
        };
      },
    },
  };
  return cut;
}

function held(cluster: VirtualCluster, name: string): (string | undefined)[] {
  return ["k", "theirs"].map((key) => cluster.read(name, key));
}

/** a and b are a cluster; d is let in there, and ends when it has sent its table, which they may have got. */
async function letIn(
  seed: number,
  was: "alone" | "new",
  arrives: boolean,
): Promise<{ readonly cluster: VirtualCluster }> {
  const cluster = new VirtualCluster(platform, seed, SETTINGS);
  await cluster.start("a", "b");
  await cluster.put("a", "k", "v");
  await cluster.converged("a", "b");
  if (was === "alone") {
    await cluster.time.advance(LONG_MS);
    await cluster.run("d", []);
    await cluster.put("d", "theirs", "v");
    await cluster.time.advance(1000);
    await cluster.stop("d");
  }
  const cut = cutShort("d", arrives);
  cluster.hooks.push(cut.hooks);
  const { id } = await cluster.run("d", ["a:1"]);
  await cluster.time.until("d has sent its table", () => cut.sent, MINUTE_MS);
  await cluster.kill("d");
  expect(cluster.machine("a").running.membership.stateOf(id)).toBe(arrives ? "alive" : undefined);
  return { cluster };
}

describe.each([
  ["alone", true],
  ["alone", false],
  ["new", true],
  ["new", false],
] as const)(
  "a node that was %s, is let in and crashes before it hears who else is there (recorded: %s),",
  (was, arrives) => {
    test.each(["as it was", "in doubt"])(
      "begins no cluster of its own when it comes back without an address, %s, and goes on to join",
      async (how) => {
        const { cluster } = await letIn(71, was, arrives);
        if (how === "in doubt") await cluster.restoreDirectory("d", await cluster.copyDirectory("d"));
        cluster.partition(["d"], ["a", "b"]);
        const d = await cluster.run("d", []);
        await cluster.time.advance(10_000);
        expect(d.notWritable()).toEqual({ code: "joining", recordedBy: 0, needed: 1 });
        expect([d.keeper.hasBelonged, d.keeper.letInAt]).toEqual([false, ["a:1"]]);
        cluster.heal();
        await cluster.time.until("d takes writes", () => d.notWritable() === undefined, MINUTE_MS);
        await cluster.converged(...NAMES);
        const holds = was === "alone" ? ["v", "v"] : ["v", undefined];
        for (const name of NAMES) expect(held(cluster, name)).toEqual(holds);
        for (const event of ["ghost_quarantined", "incomplete", "other_cluster"]) {
          expect(cluster.events(event)).toEqual([]);
        }
        // What it was on its way to is of no account any more.
        expect(d.keeper.letInAt).toEqual([]);
      },
    );
  },
);

test("a node that nobody has recorded when it was let in, and that comes back long after, loses nothing to those who would take it for deleted", async () => {
  const { cluster } = await letIn(72, "alone", false);
  await cluster.time.advance(LONG_MS);
  const d = await cluster.run("d", []);
  await cluster.time.advance(MINUTE_MS);
  expect(d.notWritable()).toEqual({ code: "data_too_old", by: "a:1", reason: "too_old" });
  expect(held(cluster, "d")).toEqual([undefined, "v"]);
  await cluster.kill("d");
  cluster.machine("d").resetAlone();
  const alone = await cluster.run("d", []);
  await cluster.put("d", "k", "another");
  await cluster.time.advance(LONG_MS);
  expect([alone.standing.complete, ...held(cluster, "d")]).toEqual([true, "another", "v"]);
  expect(held(cluster, "a")).toEqual(["v", undefined]);
});

test.each([
  ["at once", 0],
  ["long after", LONG_MS],
] as const)(
  "a node that was let in and is reset %s to go on alone enters nowhere with what was written under an id that is unknown there",
  async (_, awayMs) => {
    const { cluster } = await letIn(77, "alone", false);
    await cluster.time.advance(awayMs);
    cluster.machine("d").resetAlone();
    const d = await cluster.run("d", ["a:1"]);
    await cluster.time.advance(MINUTE_MS);
    expect(d.notWritable()).toEqual({ code: "data_too_old", by: "a:1", reason: "of_others" });
    expect([...held(cluster, "d"), ...cluster.events("ghost_quarantined")]).toEqual([undefined, "v"]);
  },
);

test("a node that those who let it in have recorded comes back long after, and nothing of either is lost", async () => {
  const { cluster } = await letIn(73, "alone", true);
  await cluster.time.advance(LONG_MS);
  await cluster.run("d", []);
  await cluster.time.advance(MINUTE_MS);
  for (const name of NAMES) expect(held(cluster, name)).toEqual(["v", "v"]);
});

test("a node that was to join and has found nobody begins a cluster when it is started without an address", async () => {
  const cluster = new VirtualCluster(platform, 74, SETTINGS);
  for (const name of ["a", "b"]) await cluster.run(name, ["a:1", "b:1", "c:1"]);
  await cluster.time.advance(10_000);
  expect(cluster.events("join_failed")).toContain("a");
  await cluster.stop("a");
  const a = await cluster.run("a", []);
  expect([a.notWritable(), a.standing.complete]).toEqual([undefined, true]);
  await cluster.put("a", "k", "v");
  await cluster.converged("a", "b");
  const b = cluster.machine("b").running;
  await cluster.time.until("b takes writes", () => b.notWritable() === undefined, MINUTE_MS);
});

describe("a new node at the address of one that is gone, which members look for", () => {
  async function replaced(seed: number, isFull: boolean): Promise<VirtualCluster> {
    const cluster = new VirtualCluster(platform, seed, SETTINGS);
    await cluster.start("a", "b", "d");
    await cluster.put("a", "k", "v");
    await cluster.converged(...NAMES);
    await cluster.kill("d");
    cluster.wipe("d");
    const { id } = await cluster.run("d", ["x:1"]);
    cluster.machine("d").disk.isFull = isFull;
    await cluster.time.advance(5 * MINUTE_MS);
    expect(cluster.machine("a").running.membership.stateOf(id)).toBe(isFull ? undefined : "alive");
    await cluster.kill("d");
    cluster.machine("d").disk.isFull = false;
    await cluster.run("d", []);
    return cluster;
  }

  test("is recorded by nobody while its disk does not take that, and may begin by itself", async () => {
    const cluster = await replaced(75, true);
    await cluster.time.advance(2 * LONG_MS);
    for (const name of ["a", "b"]) expect(held(cluster, name)).toEqual(["v", undefined]);
    expect(cluster.events("other_cluster").length).toBeGreaterThan(0);
  });

  test("is found by them, and a member once it is started without the wrong address", async () => {
    const cluster = await replaced(76, false);
    const d = cluster.machine("d").running;
    await cluster.time.until("d takes writes", () => d.notWritable() === undefined, MINUTE_MS);
    await cluster.converged(...NAMES);
    expect(cluster.read("d", "k")).toBe("v");
  });
});
