/** A newcomer whom one of two clusters of a name lets in, and which is not given the table there, stays out of the other one. */

import { platform } from "@hearsay/cli/simulation-platform";
import { PeerFault } from "@hearsay/node";
import { type Hooks, VirtualCluster } from "@hearsay/simulator";
import { describe, expect, test } from "vitest";

const MINUTE_MS = 60_000;
const SETTINGS = { tombstoneRetentionMs: 30_000 };
/** Longer than deletions are kept. */
const LONG_MS = 2 * MINUTE_MS;
const KEYS = ["ours", "old", "theirs"];

/** The first table that the node sends arrives, or does not, and no answer to it does. */
function unanswered(name: string, arrives: boolean): { readonly hooks: Hooks; sent: boolean } {
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
              const isIt = !cut.sent && message.kind === "push-pull";
              if (!isIt) return await transport.request(to, message, timeoutMs);
              if (arrives) await transport.request(to, message, timeoutMs);
              cut.sent = true;
              throw new PeerFault({ code: "unreachable" });
            },
          },
        };
      },
    },
  };
  return cut;
}

function idsOf(cluster: VirtualCluster, name: string): Set<string> {
  return new Set(cluster.machine(name).running.membership.someIds());
}

function held(cluster: VirtualCluster, name: string): string {
  return KEYS.filter((key) => cluster.read(name, key) === "v").join(" ");
}

interface Parted {
  readonly cluster: VirtualCluster;
  /** The one that is let in by a. */
  readonly id: string;
}

/** a, b and f are a cluster, c and e another one. */
async function twoClusters(seed: number): Promise<VirtualCluster> {
  const cluster = new VirtualCluster(platform, seed, SETTINGS);
  await cluster.start("a", "b", "f");
  for (const key of ["ours", "old"]) await cluster.put("a", key, "v");
  await cluster.converged("a", "b", "f");
  await cluster.run("c", []);
  await cluster.run("e", ["c:1"]);
  await cluster.put("c", "theirs", "v");
  await cluster.converged("c", "e");
  await cluster.time.advance(LONG_MS);
  return cluster;
}

/** d is let in by a, which may tell b and f of it, and is gone for good before d hears of them: it is cut off from both. */
async function letInByOneGone(seed: number, seeds: readonly string[], isRecorded = true): Promise<Parted> {
  const cluster = await twoClusters(seed);
  for (const name of ["b", "f"]) {
    cluster.cut(name, "d");
    cluster.cut("d", name);
  }
  const cut = unanswered("d", isRecorded);
  cluster.hooks.push(cut.hooks);
  const { id } = await cluster.run("d", seeds);
  await cluster.time.until("d has sent its table", () => cut.sent, MINUTE_MS);
  cluster.partition(["a", "b", "f"], ["c", "d", "e", "g"]);
  const { membership } = cluster.machine("b").running;
  const isKnown = (): boolean => membership.stateOf(id) === "alive";
  if (isRecorded) await cluster.time.until("b has heard of d", isKnown, MINUTE_MS);
  await cluster.kill("a");
  return { cluster, id };
}

/** They are two clusters still, and d is of the one that had recorded it, and in no table of the other. */
async function staysOut({ cluster, id }: Parted, isToldWrong: boolean): Promise<void> {
  await cluster.time.advance(MINUTE_MS);
  const notWritable = (): unknown => cluster.machine("d").running.notWritable();
  expect(notWritable()).toMatchObject({ code: "joining", recordedBy: 0 });
  for (const name of ["c", "e"]) expect(idsOf(cluster, name)).not.toContain(id);
  expect(cluster.events("join_failed")).toContain("d");
  cluster.heal();
  const b = cluster.machine("b").running.id;
  await cluster.time.until("b has found d", () => idsOf(cluster, "d").has(b), MINUTE_MS);
  if (isToldWrong) {
    await cluster.stop("d");
    await cluster.run("d", []);
  }
  await cluster.time.until("d takes writes", () => notWritable() === undefined, MINUTE_MS);
  await cluster.converged("b", "d", "f");
  await cluster.time.advance(LONG_MS);
  const theirs = idsOf(cluster, "c");
  expect([...idsOf(cluster, "b")].filter((known) => theirs.has(known))).toEqual([]);
  for (const name of ["b", "d", "f"]) expect(held(cluster, name)).toBe("ours old");
  for (const name of ["c", "e"]) expect(held(cluster, name)).toBe("theirs");
}

describe("a newcomer whose introducer has recorded it, and is gone for good before it could give it the table,", () => {
  test("does not enter another cluster that it is told of, too", async () => {
    await staysOut(await letInByOneGone(81, ["a:1", "c:1"]), false);
  });

  test.each(["as it was", "in doubt"])(
    "does not enter another cluster when it is started anew, %s, and told of that",
    async (how) => {
      const parted = await letInByOneGone(82, ["a:1"]);
      const { cluster } = parted;
      await cluster.kill("d");
      if (how === "in doubt") await cluster.restoreDirectory("d", await cluster.copyDirectory("d"));
      await cluster.run("d", ["c:1"]);
      await staysOut(parted, true);
    },
  );

  test("does not enter one that was begun at its introducer's address, which has lost its data", async () => {
    const parted = await letInByOneGone(83, ["a:1"]);
    const { cluster } = parted;
    cluster.wipe("a");
    cluster.heal();
    cluster.partition(["a", "d"], ["b", "f"]);
    await cluster.run("a", []);
    await cluster.time.advance(MINUTE_MS);
    expect(cluster.machine("d").running.notWritable()?.code).toBe("joining");
    expect(idsOf(cluster, "a")).not.toContain(parted.id);
  });

  test("begins none with newcomers, nor do they with it", async () => {
    const parted = await letInByOneGone(84, ["a:1"]);
    const { cluster } = parted;
    await cluster.kill("d");
    for (const name of ["d", "g"]) await cluster.run(name, ["d:1", "g:1"]);
    await cluster.time.advance(MINUTE_MS);
    expect(cluster.machine("g").running.notWritable()?.code).toBe("joining");
    expect(idsOf(cluster, "g")).not.toContain(parted.id);
    await staysOut(parted, true);
    await cluster.time.until(
      "g has entered through d",
      () => cluster.machine("g").running.notWritable() === undefined,
      MINUTE_MS,
    );
    expect(held(cluster, "g")).toBe("ours old");
  });

  test.each([true, false])(
    "is let in by another member, to which that one is known, also when it is forgotten (the newcomer is known there: %s)",
    async (isRecorded) => {
      const { cluster, id } = await letInByOneGone(85, ["a:1"], isRecorded);
      await cluster.kill("d");
      const b = cluster.machine("b").running;
      expect(b.membership.stateOf(id)).toBe(isRecorded ? "alive" : undefined);
      await b.forget(b.membership.members().find(({ address }) => address === "a:1")?.id ?? "");
      cluster.heal();
      const d = await cluster.run("d", ["c:1", "b:1"]);
      await cluster.time.until("d takes writes", () => d.notWritable() === undefined, MINUTE_MS);
      await cluster.converged("b", "d", "f");
      await cluster.time.advance(LONG_MS);
      expect(idsOf(cluster, "c")).not.toContain(id);
      for (const name of ["b", "d", "f"]) expect(held(cluster, name)).toBe("ours old");
    },
  );

  test("enters another cluster as another node, once it is told that it is to leave that one behind", async () => {
    const { cluster, id } = await letInByOneGone(86, ["a:1"]);
    await cluster.kill("d");
    cluster.machine("d").resetAlone();
    const d = await cluster.run("d", ["c:1"]);
    await cluster.time.until("d takes writes", () => d.notWritable() === undefined, MINUTE_MS);
    await cluster.converged("c", "d", "e");
    cluster.heal();
    await cluster.time.advance(LONG_MS);
    for (const name of ["c", "d", "e"]) expect(idsOf(cluster, name)).not.toContain(id);
    for (const name of ["c", "d", "e"]) expect(held(cluster, name)).toBe("theirs");
    for (const name of ["b", "f"]) expect(held(cluster, name)).toBe("ours old");
  });
});
