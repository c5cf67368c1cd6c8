import { afterAll, describe, expect, test } from "vitest";
import { ProcessCluster } from "./process-cluster.ts";

const cluster = new ProcessCluster();

afterAll(() => cluster.dispose());

const ALL = ["a", "b", "c"];

// One story: each part takes the cluster as the one before has left it, and has keys of its own.
describe("a cluster of processes", () => {
  test("a node that joins holds what was written before, and its writes reach the others", async () => {
    await cluster.start("a", "b");
    await cluster.put("a", "early", "1");
    await cluster.run("c", { seeds: ["b"] });
    await cluster.takesWrites("c");
    await cluster.reads(["c"], "early", "1");
    await cluster.put("c", "late", "2", "?ack=all");
    await cluster.reads(ALL, "late", "2");
  });

  test("a rolling restart loses nothing and no node changes its id", async () => {
    const ids = await Promise.all(ALL.map((name) => idOf(name)));
    for (const [i, name] of ALL.entries()) {
      await cluster.put(name, `before-${i}`, name);
      expect(await cluster.stop(name)).toBe(0);
      const other = ALL[(i + 1) % ALL.length] ?? "";
      await cluster.put(other, `during-${i}`, other);
      await cluster.run(name);
      await cluster.reads([name], `during-${i}`, other);
      await cluster.reads(ALL, `before-${i}`, name);
    }
    expect(await Promise.all(ALL.map((name) => idOf(name)))).toEqual(ids);
  });

  test("a node that is killed comes back with all it acknowledged and all it missed", async () => {
    await cluster.put("c", "own", "1");
    await cluster.kill("c");
    await cluster.put("a", "missed", "2");
    await cluster.run("c");
    await cluster.reads(["c"], "own", "1");
    await cluster.reads(["c"], "missed", "2");
  });

  test("both sides of a partition go on, and hold the same once it heals", async () => {
    cluster.partition(["a"], ["b", "c"]);
    for (let i = 0; i < 20; i++) {
      await cluster.put("a", `left-${i}`, "l");
      await cluster.put("b", `right-${i}`, "r");
    }
    await cluster.reads(["c"], "right-19", "r");
    expect(await cluster.read("c", "left-0")).toBeUndefined();
    cluster.heal();
    await cluster.reads(ALL, "left-19", "l");
    await cluster.reads(ALL, "right-19", "r");
  });

  test("a deletion on one side of a partition holds against the old value on the other", async () => {
    await cluster.put("a", "deleted on one side", "v", "?ack=all");
    cluster.partition(["c"], ["a", "b"]);
    await cluster.remove("a", "deleted on one side");
    expect(await cluster.read("c", "deleted on one side")).toBe("v");
    cluster.heal();
    await cluster.reads(ALL, "deleted on one side", undefined);
  });

  test("a node away for longer than deletions are kept brings nothing back", async () => {
    await cluster.put("a", "deleted while away", "v", "?ack=all");
    await cluster.kill("c");
    await cluster.remove("a", "deleted while away");
    // Ten times the retention goes by, counted in the clock of the others.
    const since = Date.now();
    await expect.poll(() => Date.now() - since, { timeout: 60_000 }).toBeGreaterThan(10_000);
    await cluster.run("c");
    await cluster.reads(ALL, "deleted while away", undefined);
    await cluster.put("c", "after", "1", "?ack=all");
    expect(await cluster.read("a", "deleted while away")).toBeUndefined();
  });

  test("a second node of the same name is refused and told where the first one is", async () => {
    await cluster.run("other", { seeds: ["a"], as: "b" });
    await cluster.logs("other", /peer_refused/);
    await expect(cluster.put("other", "under a name", "v")).rejects.toThrow(/name_taken|joining/);
    await cluster.put("b", "under a name", "v", "?ack=all");
    await cluster.kill("other");
  });

  test("a node of another cluster is refused with a reason that can be read", async () => {
    await cluster.run("stranger", { seeds: ["a"], settings: { cluster: "elsewhere" } });
    await cluster.logs("stranger", /wrong_cluster/);
    await cluster.logs("a", /wrong_cluster/);
    await expect(cluster.put("stranger", "strange", "v")).rejects.toThrow(/joining/);
    await cluster.kill("stranger");
  });

  test("a directory copied back from yesterday is noticed, and loses and revives nothing", async () => {
    await cluster.put("c", "deleted later", "old", "?ack=all");
    await cluster.stop("c");
    const yesterday = await cluster.backUp("c");
    await cluster.run("c");
    await cluster.takesWrites("c");
    const before = await idOf("c");
    await cluster.put("c", "written later", "new", "?ack=all");
    await cluster.remove("c", "deleted later");
    await cluster.reads(ALL, "deleted later", undefined);
    await cluster.stop("c");
    await cluster.restoreFrom("c", yesterday);
    await cluster.run("c", { seeds: ["a"] });
    await cluster.reads(ALL, "written later", "new");
    await cluster.reads(ALL, "deleted later", undefined);
    expect(await idOf("c")).not.toBe(before);
    await cluster.takesWrites("c");
  });

  test("a node whose disk was lost comes back under its name as a new incarnation, and is filled again", async () => {
    const before = await idOf("c");
    await cluster.put("c", "kept", "1");
    await cluster.reads(ALL, "kept", "1");
    await cluster.kill("c");
    await cluster.loseDisk("c");
    await cluster.run("c", { seeds: ["a"] });
    await cluster.reads(["c"], "kept", "1");
    expect(await idOf("c")).not.toBe(before);
    await cluster.takesWrites("c");
  });

  test("a node whose clock is far ahead says so and takes no writes", async () => {
    await cluster.stop("c");
    await cluster.run("c", { clockShiftMs: 60_000 });
    await expect
      .poll(async () => await cluster.put("c", "from the future", "v").then(() => "taken", String), {
        timeout: 45_000,
      })
      .toMatch(/clock_skew/);
    await cluster.put("a", "from the present", "v");
    await cluster.reads(["a", "b"], "from the present", "v");
  });
});

async function idOf(name: string): Promise<string> {
  const answer = await fetch(`${cluster.url(name)}/livez`);
  return answer.headers.get("hearsay-node") ?? "";
}
