/** Nodes that begin a cluster together, are stopped before all of them are members of it, and are told of others. */

import { platform } from "@hearsay/cli/simulation-platform";
import { PeerFault } from "@hearsay/node";
import { VirtualCluster } from "@hearsay/simulator";
import { describe, expect, test } from "vitest";

const MINUTE_MS = 60_000;
const SETTINGS = { tombstoneRetentionMs: 30_000 };
/** Longer than deletions are kept. */
const LONG_MS = 2 * MINUTE_MS;
const KEYS = ["ours", "theirs", "founded"];

function held(cluster: VirtualCluster, name: string): string {
  return KEYS.filter((key) => cluster.read(name, key) === "v").join(" ");
}

function idOf(cluster: VirtualCluster, name: string): string {
  return cluster.machine(name).running.id;
}

function idsOf(cluster: VirtualCluster, name: string): readonly string[] {
  return cluster.machine(name).running.membership.someIds();
}

function code(cluster: VirtualCluster, name: string): string | undefined {
  return cluster.machine(name).running.notWritable()?.code;
}

async function takeWrites(cluster: VirtualCluster, ...names: readonly string[]): Promise<void> {
  const isDone = (): boolean => names.every((name) => code(cluster, name) === undefined);
  await cluster.time.until(`${names.join(", ")} take writes`, isDone, MINUTE_MS);
}

interface Cut {
  isOver: boolean;
}

/** Until it is over, these nodes do not hear who has recorded them; or the first hears of the others no more than that they are there. */
function unheard(cluster: VirtualCluster, what: "records" | "tables", ...names: readonly string[]): Cut {
  const cut: Cut = { isOver: false };
  const [first] = names;
  cluster.hooks.push({
    memberPorts: (ports, { name }) => {
      const { transport } = ports;
      return {
        ...ports,
        transport: {
          request: async (to, message, timeoutMs) => {
            const isTo = to.address === `${first}:1`;
            const isHello = message.kind === "hello";
            const isRecord = isHello && to.id !== "" && names.includes(name);
            const isTable = !isHello && (isTo || name === first);
            const isCut = !cut.isOver && (what === "records" ? isRecord : isTable);
            if (!isCut) return await transport.request(to, message, timeoutMs);
            if (what === "tables" && !isTo) await transport.request(to, message, timeoutMs);
            throw new PeerFault({ code: "unreachable" });
          },
        },
      };
    },
  });
  return cut;
}

/** c and e are clusters of one each, which hold what the other one has never heard of. */
async function clusters(seed: number): Promise<VirtualCluster> {
  const cluster = new VirtualCluster(platform, seed, SETTINGS);
  await cluster.run("c", []);
  await cluster.put("c", "ours", "v");
  await cluster.run("e", []);
  await cluster.put("e", "theirs", "v");
  await cluster.time.advance(LONG_MS);
  return cluster;
}

/** They are told of one another, and go on until these have recorded each other. */
async function founding(
  cluster: VirtualCluster,
  names: readonly string[],
  recorded: readonly string[],
): Promise<void> {
  for (const name of names)
    await cluster.run(
      name,
      names.map((other) => `${other}:1`),
    );
  const isRecorded = (name: string): boolean =>
    recorded.every((other) => cluster.machine(name).running.membership.hasRecorded(idOf(cluster, other)));
  await cluster.time.until("they are recorded", () => recorded.every(isRecorded), MINUTE_MS);
}

/** a and b, neither of which is a member, are gone. */
async function stoppedTogether(seed: number): Promise<VirtualCluster> {
  const cluster = await clusters(seed);
  const cut = unheard(cluster, "records", "a", "b");
  await founding(cluster, ["a", "b"], ["a", "b"]);
  for (const name of ["a", "b"]) await cluster.kill(name);
  cut.isOver = true;
  return cluster;
}

describe("founders that have recorded one another, and are stopped before they are members,", () => {
  test.each(["as they were", "in doubt"])(
    "bring no two clusters together that they are told of, %s",
    async (how) => {
      const cluster = await stoppedTogether(91);
      if (how === "in doubt") {
        for (const name of ["a", "b"])
          await cluster.restoreDirectory(name, await cluster.copyDirectory(name));
      }
      await cluster.run("a", ["c:1"]);
      await cluster.run("b", ["e:1"]);
      await cluster.time.advance(LONG_MS);
      expect(["a", "b"].map((name) => code(cluster, name))).toEqual(["joining", "joining"]);
      expect(["c", "e"].map((name) => held(cluster, name))).toEqual(["ours", "theirs"]);
      for (const name of ["c", "e"]) expect(idsOf(cluster, name)).toEqual([idOf(cluster, name)]);
      for (const name of ["a", "b"]) expect(cluster.events("join_failed")).toContain(name);
      for (const name of ["c", "e"]) expect(cluster.events("other_cluster")).toContain(name);

      for (const name of ["a", "b"]) await cluster.stop(name);
      for (const name of ["a", "b"]) await cluster.run(name, []);
      await takeWrites(cluster, "a", "b");
      await cluster.put("a", "founded", "v");
      await cluster.converged("a", "b");
      await cluster.time.advance(LONG_MS);
      const all = ["a", "b", "c", "e"].map((name) => held(cluster, name));
      expect(all).toEqual(["founded", "founded", "ours", "theirs"]);
    },
  );

  test("enter other clusters as other nodes, once they are told to leave that one behind", async () => {
    const cluster = await stoppedTogether(92);
    for (const name of ["a", "b"]) cluster.machine(name).resetAlone();
    await cluster.run("a", ["c:1"]);
    await cluster.run("b", ["e:1"]);
    await takeWrites(cluster, "a", "b");
    await cluster.converged("a", "c");
    await cluster.converged("b", "e");
    await cluster.time.advance(LONG_MS);
    const all = ["a", "b", "c", "e"].map((name) => held(cluster, name));
    expect(all).toEqual(["ours", "theirs", "ours", "theirs"]);
  });
});

test.each(["records", "tables"] as const)(
  "a founder that is stopped before it has heard of the others' %s enters no other cluster, nor begins another one, but goes on with them",
  async (what) => {
    const cluster = await clusters(93);
    const cut = unheard(cluster, what, "a");
    const others = ["b", "d", "f"];
    await founding(cluster, ["a", ...others], others);
    await takeWrites(cluster, ...others);
    expect(code(cluster, "a")).toBe("joining");
    expect(idsOf(cluster, "a").length).toBe(what === "tables" ? 1 : 4);
    for (const name of others) expect(idsOf(cluster, name)).toContain(idOf(cluster, "a"));
    await cluster.kill("a");
    cut.isOver = true;
    await cluster.put("b", "founded", "v");
    await cluster.time.advance(LONG_MS);

    cluster.partition(["a", "c", "e", "g"], others);
    await cluster.run("a", ["c:1"]);
    await cluster.time.advance(MINUTE_MS);
    expect([code(cluster, "a"), held(cluster, "a"), idsOf(cluster, "c").length]).toEqual(["joining", "", 1]);
    await cluster.stop("a");
    for (const name of ["a", "g"]) await cluster.run(name, ["a:1", "g:1"]);
    await cluster.time.advance(MINUTE_MS);
    expect(["a", "g"].map((name) => code(cluster, name))).toEqual(["joining", "joining"]);

    cluster.heal();
    await takeWrites(cluster, "a", "g");
    await cluster.converged("a", "g", ...others);
    await cluster.time.advance(LONG_MS);
    for (const name of ["a", "g", ...others]) expect(held(cluster, name)).toBe("founded");
    expect([held(cluster, "c"), idsOf(cluster, "c").length]).toEqual(["ours", 1]);
  },
);

describe("a founder that is gone for good", () => {
  /** a and b have recorded d, which may have recorded nobody. */
  async function withoutOne(seed: number, names: readonly string[]): Promise<VirtualCluster> {
    const cluster = await clusters(seed);
    const cut = unheard(cluster, "records", ...names);
    await founding(cluster, names, names);
    await cluster.kill("d");
    cluster.wipe("d");
    cut.isOver = true;
    return cluster;
  }

  test("keeps four others from nothing", async () => {
    const cluster = await withoutOne(94, ["a", "b", "d", "f", "g"]);
    await takeWrites(cluster, "a", "b", "f", "g");
  });

  test.each([false, true])(
    "is waited for by two others until another one comes in its place (which are started anew: %s)",
    async (areStartedAnew) => {
      const names = ["a", "b", "d"];
      const cluster = await withoutOne(95, names);
      await cluster.time.advance(MINUTE_MS);
      expect(["a", "b"].map((name) => code(cluster, name))).toEqual(["joining", "joining"]);
      if (areStartedAnew) {
        for (const name of ["a", "b"]) await cluster.kill(name);
        for (const name of ["a", "b"]) await cluster.run(name, ["a:1", "b:1", "d:1"]);
        await cluster.time.advance(MINUTE_MS);
      }
      const d = await cluster.run("d", ["a:1", "b:1", "d:1"]);
      await takeWrites(cluster, "d");
      if (areStartedAnew)
        await d.forget(idsOf(cluster, "d").find((id) => d.membership.stateOf(id) === "dead") ?? "");
      await takeWrites(cluster, ...names);
    },
  );

  test("is left behind by two others when one is told to go on alone, and the other one to leave all behind", async () => {
    const cluster = await withoutOne(96, ["a", "b", "d"]);
    for (const name of ["a", "b"]) {
      await cluster.kill(name);
      cluster.machine(name).resetAlone();
    }
    await cluster.run("a", []);
    await cluster.run("b", ["a:1"]);
    await takeWrites(cluster, "a", "b");
  });
});

describe("a newcomer that was told of itself alone", () => {
  test("begins a cluster with those that find it", async () => {
    const cluster = await clusters(97);
    for (const name of ["a", "b", "d"]) {
      await cluster.run(name, ["a:1"]);
      await cluster.time.advance(10_000);
    }
    await takeWrites(cluster, "a", "b", "d");
  });

  test("enters no other cluster than the one that these have begun, also where it crashes before it has heard", async () => {
    const cluster = await clusters(98);
    const cut = unheard(cluster, "records", "a", "b");
    for (const name of ["a", "b"]) await cluster.run(name, ["a:1"]);
    const isFound = (): boolean => cluster.machine("a").running.keeper.founders.length > 0;
    await cluster.time.until("b has found a", isFound, MINUTE_MS);
    await cluster.kill("a");
    cut.isOver = true;
    await cluster.run("a", ["c:1"]);
    await cluster.time.advance(MINUTE_MS);
    expect([code(cluster, "a"), idsOf(cluster, "c").length]).toEqual(["joining", 1]);
  });

  test("enters a cluster that it is told of when nobody has found it", async () => {
    const cluster = await clusters(99);
    await cluster.run("a", ["a:1"]);
    await cluster.time.advance(MINUTE_MS);
    expect(code(cluster, "a")).toBe("joining");
    await cluster.stop("a");
    await cluster.run("a", ["c:1"]);
    await takeWrites(cluster, "a");
    await cluster.converged("a", "c");
  });
});

test.each([1, 4])(
  "a founder that is cut off from the others begins no other cluster with %s of those that were told of it alone",
  async (count) => {
    const cluster = await clusters(100 + count);
    const cut = unheard(cluster, "tables", "a");
    const others = ["b", "d", "f"];
    const late = ["g", "h", "i", "j"].slice(0, count);
    await founding(cluster, ["a", ...others], others);
    await takeWrites(cluster, ...others);
    cluster.partition(["a", ...late], others);
    cut.isOver = true;
    await cluster.put("b", "founded", "v");
    for (const name of late) await cluster.run(name, ["a:1"]);
    await cluster.time.advance(LONG_MS);
    for (const name of ["a", ...late]) expect(code(cluster, name)).toBe("joining");
    cluster.heal();
    await takeWrites(cluster, "a", ...late);
    await cluster.converged("a", ...late, ...others);
    await cluster.time.advance(LONG_MS);
    for (const name of ["a", ...late, ...others]) expect(held(cluster, name)).toBe("founded");
  },
);

test.each([3, 5])("%i nodes that are told of one another all take writes within seconds", async (count) => {
  const cluster = new VirtualCluster(platform, 117, SETTINGS);
  const names = Array.from({ length: count }, (_, i) => `n${i}`);
  const seeds = names.map((name) => `${name}:1`);
  for (const name of names) {
    await cluster.run(name, seeds);
    // So that one is a member before the others ask.
    await cluster.time.advance(300);
  }
  const isDone = (): boolean => names.every((name) => code(cluster, name) === undefined);
  await cluster.time.until("all take writes", isDone, 5_000);
});
