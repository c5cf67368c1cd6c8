import { platform } from "@hearsay/cli/simulation-platform";
import { ANTI_ENTROPY_DEFAULTS } from "@hearsay/core";
import { type Convergence, convergence, obstaclesToStopping } from "@hearsay/node";
import { VirtualCluster } from "@hearsay/simulator";
import { expect, test } from "vitest";

const MINUTE_MS = 60_000;
const HOUR_MS = 60 * MINUTE_MS;

async function verdict(cluster: VirtualCluster, name: string): Promise<Convergence["verdict"]> {
  return (await convergence(cluster.machine(name).running)).verdict;
}

/** The names on each side, as a node sees them; undefined when it sees no partition. */
async function sides(cluster: VirtualCluster, name: string): Promise<string[][] | undefined> {
  const found = await verdict(cluster, name);
  if (found.kind !== "partitioned") return undefined;
  return [found.reachable, found.unreachable].map((side) => side.map((member) => member.name));
}

/** Why it is not safe to stop a node; time passes until it answers. */
async function stopCodes(cluster: VirtualCluster, name: string): Promise<string[]> {
  let codes: string[] | undefined;
  const asking = obstaclesToStopping(cluster.machine(name).running).then((obstacles) => {
    codes = obstacles.map(({ code }) => code);
  });
  await cluster.time.until("it is answered", () => codes !== undefined, MINUTE_MS);
  await asking;
  return codes ?? [];
}

/** Whether "a" takes another one for alive. */
function isAlive(cluster: VirtualCluster, name: string): boolean {
  const { membership } = cluster.machine("a").running;
  return membership.stateOf(cluster.machine(name).running.id) === "alive";
}

async function saysConverged(cluster: VirtualCluster, ...names: readonly string[]): Promise<void> {
  await cluster.time.until(
    `${names.join(", ")} say converged`,
    async () => {
      const verdicts = await Promise.all(names.map((name) => verdict(cluster, name)));
      return verdicts.every(({ kind }) => kind === "converged");
    },
    MINUTE_MS,
  );
}

test("all nodes say converged once all hold the same, and it is true whenever one says so", async () => {
  const cluster = new VirtualCluster(platform, 31);
  await cluster.start("a", "b", "c");
  await saysConverged(cluster, "a", "b", "c");
  for (let i = 0; i < 20; i++) {
    await cluster.put("a", `k${i}`, "v");
    expect((await verdict(cluster, "a")).kind).toBe("converging");
    await cluster.time.advance(40);
  }
  await saysConverged(cluster, "a", "b", "c");
  expect(await cluster.agree("a", "b", "c")).toBe(true);
});

test("a node that is still to be let in does not say converged, though it knows of nobody who differs", async () => {
  const cluster = new VirtualCluster(platform, 30);
  await cluster.run("a", ["b:1"]);
  await cluster.time.advance(10_000);
  expect(await verdict(cluster, "a")).toEqual({ kind: "converging", differing: [] });
  await cluster.run("b", []);
  await saysConverged(cluster, "a", "b");
});

test("a node that is cut off stops saying converged, names the sides, and says it again after the heal", async () => {
  const cluster = new VirtualCluster(platform, 32);
  await cluster.start("a", "b", "c");
  await saysConverged(cluster, "a", "b", "c");
  cluster.partition(["c"], ["a", "b"]);
  await cluster.put("c", "only here", "v");
  expect((await verdict(cluster, "c")).kind).toBe("converging");
  await cluster.time.advance(10_000);
  expect(await sides(cluster, "c")).toEqual([["c"], ["a", "b"]]);
  expect(await sides(cluster, "a")).toEqual([["a", "b"], ["c"]]);
  for (let second = 0; second < 90; second++) {
    await cluster.time.advance(1000);
    for (const name of ["a", "b", "c"]) expect((await verdict(cluster, name)).kind).toBe("partitioned");
  }
  const { heldBackBy } = await convergence(cluster.machine("a").running);
  expect(heldBackBy.map(({ node }) => node)).toContain(cluster.machine("c").running.id);
  cluster.heal();
  await saysConverged(cluster, "a", "b", "c");
  expect(await cluster.agree("a", "b", "c")).toBe(true);
});

test("news that stop coming count as a partition even where nobody suspects anybody", async () => {
  const cluster = new VirtualCluster(platform, 33);
  await cluster.start("a", "b");
  await saysConverged(cluster, "a", "b");
  cluster.machine("b").running.states.stop();
  await cluster.time.advance(30_000);
  expect(await sides(cluster, "a")).toEqual([["a"], ["b"]]);
});

test("a stopped member is on the other side and holds the watermark back", async () => {
  const cluster = new VirtualCluster(platform, 34);
  await cluster.start("a", "b", "c");
  await cluster.time.advance(10_000);
  await cluster.stop("b");
  await cluster.time.advance(5000);
  expect(await sides(cluster, "a")).toEqual([["a", "c"], ["b"]]);
  await cluster.put("a", "k", "v");
  await cluster.time.advance(5000);
  const { heldBackBy } = await convergence(cluster.machine("a").running);
  expect(heldBackBy).toMatchObject([{ reason: "behind" }]);
});

test("it is safe to stop once another live member holds what was written here", async () => {
  const cluster = new VirtualCluster(platform, 35);
  await cluster.start("a", "b");
  await cluster.time.advance(10_000);
  const codes = (): Promise<string[]> => stopCodes(cluster, "a");
  expect(await codes()).toEqual([]);
  cluster.partition(["a"], ["b"]);
  await cluster.put("a", "k", "v");
  expect(await codes()).toContain("writes_unconfirmed");
  await cluster.time.advance(20_000);
  expect(await codes()).toContain("only_live_member");
  cluster.heal();
  await cluster.time.until("b is alive", () => isAlive(cluster, "b"), MINUTE_MS);
  expect(await codes()).toEqual([]);
  expect(cluster.read("b", "k")).toBe("v");
});

test("it is not safe to stop the only one that has what another wrote before it was gone for good", async () => {
  const antiEntropy = { ...ANTI_ENTROPY_DEFAULTS, intervalMs: HOUR_MS };
  const cluster = new VirtualCluster(platform, 38, { antiEntropy });
  await cluster.start("a", "b", "c");
  await cluster.time.advance(10_000);
  expect(await stopCodes(cluster, "a")).toEqual([]);
  cluster.partition(["c"], ["a", "b"]);
  await cluster.put("b", "k", "v");
  await cluster.time.until("a has it", () => cluster.read("a", "k") === "v", MINUTE_MS);
  await cluster.kill("b");
  cluster.wipe("b");
  expect(await stopCodes(cluster, "a")).toContain("writes_unconfirmed");
  cluster.heal();
  await cluster.time.until("c is alive", () => isAlive(cluster, "c"), MINUTE_MS);
  expect(cluster.read("c", "k")).toBeUndefined();
  expect(await stopCodes(cluster, "a")).toEqual([]);
  expect(cluster.read("c", "k")).toBe("v");
});

test("while others write without a pause it is safe to stop one whenever it is asked", async () => {
  const cluster = new VirtualCluster(platform, 39);
  await cluster.start("a", "b", "c");
  await cluster.time.advance(10_000);
  let [written, isOver] = [0, false];
  const write = (): void => {
    if (isOver) return;
    written += 1;
    void cluster.put(written % 2 === 0 ? "b" : "c", `k${written % 50}`, `v${written}`);
    cluster.time.after(3, write);
  };
  write();
  for (let asked = 0; asked < 5; asked++) {
    await cluster.time.advance(150);
    expect(await stopCodes(cluster, "a")).toEqual([]);
  }
  isOver = true;
  expect(written).toBeGreaterThan(200);
});

test("clocks are compared by exchanges", async () => {
  const cluster = new VirtualCluster(platform, 36);
  cluster.machine("b").clockOffsetMs = -1500;
  await cluster.start("a", "b");
  await cluster.time.advance(10_000);
  const [{ repair }, { id }] = [cluster.machine("a").running, cluster.machine("b").running];
  expect(repair.clockOffset(id)?.offsetMs).toBeCloseTo(-1500, -1);
  expect(repair.clockOffset(id)?.errorMs).toBeLessThan(5);
});

test("an exchange between equals is one message each way, of less than 300 bytes together", async () => {
  const antiEntropy = { ...ANTI_ENTROPY_DEFAULTS, intervalMs: HOUR_MS };
  const cluster = new VirtualCluster(platform, 37, { antiEntropy });
  await cluster.start("a", "b");
  await cluster.put("a", "k", "v");
  await cluster.time.advance(10_000);
  const seen = { messages: 0, bytes: 0, ...cluster.traffic.get("exchange-start") };
  const exchanging = cluster.machine("a").running.exchange({
    id: cluster.machine("b").running.id,
    address: cluster.machine("b").address,
  });
  await cluster.time.advance(1000);
  expect(await exchanging).toMatchObject({ equal: true });
  const now = { messages: 0, bytes: 0, ...cluster.traffic.get("exchange-start") };
  expect(now.messages - seen.messages).toBe(2);
  expect(now.bytes - seen.bytes).toBeLessThan(300);
});
