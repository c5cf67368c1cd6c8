import { platform } from "@hearsay/cli/simulation-platform";
import { ANTI_ENTROPY_DEFAULTS, hlcToMs, parseVersion } from "@hearsay/core";
import { VirtualCluster } from "@hearsay/simulator";
import { expect, test } from "vitest";

const START_MS = Date.UTC(2030, 0, 1);
const MINUTE_MS = 60_000;

function watermarkAgeMs(cluster: VirtualCluster, name: string): number {
  const { watermark } = cluster.machine(name).running.keeper.completeness;
  return START_MS + cluster.time.monotonicMs() - hlcToMs(watermark);
}

test.each([3, 4])(
  "the watermark trails by less than 5 s while all of five members are up and take writes (seed %i)",
  async (seed) => {
    const cluster = new VirtualCluster(platform, seed);
    const names = ["a", "b", "c", "d", "e"];
    await cluster.start(...names);
    let greatestMs = 0;
    for (let write = 0; write < 900; write++) {
      await cluster.put(names[write % 5] ?? "a", `k${write % 50}`, "v");
      await cluster.time.advance(100);
      // The first seconds are those of joining.
      if (write < 100) continue;
      for (const name of names) greatestMs = Math.max(greatestMs, watermarkAgeMs(cluster, name));
    }
    expect(greatestMs).toBeLessThan(5000);
  },
);

test("the watermark stands still while a member is away, and names it", async () => {
  const cluster = new VirtualCluster(platform, 4);
  await cluster.start("a", "b", "c");
  await cluster.time.advance(10_000);
  const away = cluster.machine("c").running.id;
  await cluster.kill("c");
  const version = parseVersion(await cluster.put("a", "k", "v"));
  await cluster.time.advance(MINUTE_MS);
  const { keeper } = cluster.machine("a").running;
  expect(keeper.completeness.watermark).toBeLessThan(version?.time ?? 0);
  expect(keeper.heldBackBy().map(({ node }) => node)).toContain(away);
  await cluster.run("c", []);
  await cluster.time.until(
    "the write is complete",
    () => keeper.completeness.watermark >= (version?.time ?? Number.NaN),
    MINUTE_MS,
  );
});

test("a stopped node comes back as itself and is told what it missed", async () => {
  const cluster = new VirtualCluster(platform, 5);
  await cluster.start("a", "b", "c");
  const { id } = cluster.machine("b").running;
  await cluster.stop("b");
  await cluster.time.advance(2000);
  expect(cluster.machine("a").running.membership.stateOf(id)).toBe("stopped");
  await cluster.put("a", "missed", "by b");
  await cluster.run("b", []);
  await cluster.converged("a", "b", "c");
  expect(cluster.machine("b").running.id).toBe(id);
  expect(cluster.read("b", "missed")).toBe("by b");
});

test("a deletion reaches a node that was away far past the retention, and nothing comes back", async () => {
  const cluster = new VirtualCluster(platform, 6);
  await cluster.start("a", "b", "c");
  await cluster.put("a", "k", "v");
  await cluster.converged("a", "b", "c");
  await cluster.kill("c");
  await cluster.remove("a", "k");
  await cluster.time.advance(10 * MINUTE_MS);
  expect(cluster.machine("a").store?.get("k")).toBeDefined();
  await cluster.run("c", []);
  await cluster.converged("a", "b", "c");
  for (const name of ["a", "b", "c"]) expect(cluster.read(name, "k")).toBeUndefined();
  await cluster.time.until(
    "the tombstone is purged everywhere",
    () => ["a", "b", "c"].every((name) => cluster.machine(name).store?.get("k") === undefined),
    5 * MINUTE_MS,
  );
  expect(await cluster.agree("a", "b", "c")).toBe(true);
});

test("a member that leaves hands over what it holds, and no longer counts", async () => {
  const cluster = new VirtualCluster(platform, 7);
  await cluster.start("a", "b", "c");
  cluster.partition(["c"], ["a", "b"]);
  await cluster.put("c", "only here", "v");
  cluster.heal();
  const leaving = cluster.machine("c").running;
  const left = leaving.leave();
  await cluster.time.advance(10_000);
  await left;
  expect(cluster.machine("a").running.membership.isRetired(leaving.id)).toBe(true);
  await cluster.converged("a", "b");
  expect(cluster.read("a", "only here")).toBe("v");
  const version = parseVersion(await cluster.put("a", "after", "v"));
  const { completeness } = cluster.machine("b").running.keeper;
  await cluster.time.until(
    "the watermark goes on",
    () => completeness.watermark >= (version?.time ?? Number.NaN),
    MINUTE_MS,
  );
});

test("a node that has left says so when it is started again, and joins nobody", async () => {
  const cluster = new VirtualCluster(platform, 10);
  await cluster.start("a", "b", "c");
  const left = cluster.machine("c").running.leave();
  await cluster.time.advance(10_000);
  await left;
  await cluster.kill("c");
  const again = await cluster.run("c", ["a:1"]);
  expect(again.notWritable()).toEqual({ code: "retired" });
  await cluster.time.advance(MINUTE_MS);
  expect(again.notWritable()).toEqual({ code: "retired" });
  expect(cluster.events("retired")).toEqual(["c"]);
  expect(cluster.machine("a").running.membership.counted().ids).toHaveLength(2);
});

test("a leaving node begins again when it hears of a retirement meanwhile: only it may have what came from that one", async () => {
  const cluster = new VirtualCluster(platform, 11, {
    antiEntropy: { ...ANTI_ENTROPY_DEFAULTS, intervalMs: 60 * MINUTE_MS },
  });
  await cluster.start("a", "b", "c", "d");
  await cluster.time.advance(10_000);
  const { id } = cluster.machine("d").running;
  cluster.partition(["d"], ["a", "b"]);
  const leaving = cluster.machine("c").running;
  const exchanged: string[] = [];
  const { repair } = leaving;
  const exchange = repair.exchange.bind(repair);
  repair.exchange = async (peer) => {
    exchanged.push(peer.id);
    const outcome = await exchange(peer);
    if (exchanged.length > 1) return outcome;
    // d's write reaches c alone, after c's exchange; then d is gone for good.
    await cluster.put("d", "from d", "known to c alone");
    await cluster.time.advance(1000);
    await cluster.kill("d");
    await cluster.machine("a").running.forget(id);
    await cluster.time.until("c has heard", () => leaving.membership.isRetired(id), MINUTE_MS);
    return outcome;
  };
  let isGone = false;
  const left = leaving.leave().then(() => {
    isGone = true;
  });
  await cluster.time.until("c has left", () => isGone, 2 * MINUTE_MS);
  await left;
  cluster.heal();
  expect(exchanged.length).toBeGreaterThan(1);
  await cluster.time.until(
    "a and b have it",
    () => ["a", "b"].some((name) => cluster.read(name, "from d") !== undefined),
    MINUTE_MS,
  );
});

test("a member that cannot hand over stays a member and says so", async () => {
  const cluster = new VirtualCluster(platform, 8);
  await cluster.start("a", "b", "c");
  cluster.partition(["c"], ["a", "b"]);
  const outcome = cluster
    .machine("c")
    .running.leave()
    .then(
      () => "left",
      (error: unknown) => String(error),
    );
  await cluster.time.advance(30_000);
  expect(await outcome).not.toBe("left");
  expect(cluster.machine("c").running.notWritable()).toBeUndefined();
});

test("a forgotten member no longer holds the watermark back, and is refused when it returns", async () => {
  const cluster = new VirtualCluster(platform, 9);
  await cluster.start("a", "b", "c");
  const { id } = cluster.machine("c").running;
  await cluster.kill("c");
  await cluster.time.advance(MINUTE_MS);
  const version = parseVersion(await cluster.put("a", "k", "v"));
  await cluster.machine("a").running.forget(id);
  const { completeness } = cluster.machine("b").running.keeper;
  await cluster.time.until(
    "the watermark goes on",
    () => completeness.watermark >= (version?.time ?? Number.NaN),
    MINUTE_MS,
  );
  await cluster.run("c", []);
  await cluster.time.advance(MINUTE_MS);
  expect(cluster.events("retired")).toEqual(["c"]);
  expect(cluster.machine("c").running.notWritable()).toEqual({ code: "retired" });
});
