import { describe, expect, test } from "vitest";
import type { Member } from "./member.ts";
import { A, about, B, clusterOf, ping } from "./samples.contract.ts";
import { SWIM_DEFAULTS } from "./swim-config.ts";
import { RETIRED_PAGE } from "./swim-messages.ts";
import { memberOf, VirtualCluster } from "./virtual-cluster.contract.ts";

const stateAtAll = (
  cluster: VirtualCluster,
  observers: readonly Member[],
  of: Member,
  state: string,
): boolean => observers.every((observer) => cluster.swim(observer.id).table.stateOf(of.id) === state);

describe("joining", () => {
  test("a node that joins by one seed is known to all and knows all", () => {
    const cluster = new VirtualCluster({ seed: 1 });
    const members = Array.from({ length: 16 }, (_, i) => memberOf(`n${i}`));
    for (const member of members) {
      cluster.start(member);
      cluster.act(member.id, (swim) => swim.join(["n0:1"]));
    }
    expect(cluster.runUntil(() => cluster.allSeeAll(), 10_000)).toBeDefined();
    expect(cluster.eventsOf("joined")).toHaveLength(15);
    cluster.run(60_000);
    expect(cluster.deaths()).toEqual([]);
  });

  test("a node keeps trying until a seed is up", () => {
    const cluster = new VirtualCluster({ seed: 1 });
    cluster.start(A);
    cluster.act(A.id, (swim) => swim.join([B.address, "nowhere:1"]));
    cluster.run(30_000);
    expect(cluster.eventsOf("joined")).toEqual([]);
    cluster.start(B);
    expect(cluster.runUntil(() => cluster.allSeeAll(), 20_000)).toBeDefined();
    expect(cluster.swim(A.id).stats.openRequests).toBeLessThan(5);
  });

  test("two nodes that name each other and themselves as seeds find each other", () => {
    const cluster = new VirtualCluster({ seed: 1 });
    for (const member of [A, B]) {
      cluster.start(member);
      cluster.act(member.id, (swim) => swim.join([A.address, B.address]));
    }
    cluster.run(1_000);
    expect(cluster.allSeeAll()).toBe(true);
    expect(cluster.eventsOf("refused")).toEqual([]);
  });

  test("a node that comes back with a generation long gone refutes its past and is recorded at once", () => {
    const { cluster, members } = clusterOf(5);
    const [first, second] = members as [Member, Member];
    cluster.act(first.id, (swim) => swim.updateSelf({ zone: "z1" }));
    cluster.act(first.id, (swim) => swim.updateSelf({ zone: "z2" }));
    cluster.run(10_000);
    cluster.start({ ...first, zone: "z3" });
    cluster.act(first.id, (swim) => swim.join([second.address]));
    cluster.run(100);
    expect(cluster.eventsOf("joined")).toHaveLength(1);
    expect(cluster.swim(second.id).table.get(first.id)).toMatchObject({
      state: "alive",
      generation: 3,
      zone: "z3",
    });
  });

  test("metadata changes reach everybody", () => {
    const { cluster, members } = clusterOf(8);
    const [first] = members as [Member];
    cluster.act(first.id, (swim) => swim.updateSelf({ build: "2.0" }));
    cluster.run(10_000);
    for (const member of members) expect(cluster.swim(member.id).table.get(first.id)?.build).toBe("2.0");
  });
});

describe("going and coming back", () => {
  test("a stopped member is not suspected, stays counted, and returns as itself", () => {
    const { cluster, members } = clusterOf(8);
    const [gone, ...rest] = members as [Member, ...Member[]];
    cluster.act(gone.id, (swim) => swim.announceStopped());
    cluster.run(50);
    expect(cluster.eventsOf("announced").map(({ event }) => event)).toEqual([
      { kind: "announced", state: "stopped", confirmed: 5, told: 5 },
    ]);
    cluster.kill(gone.id);
    expect(cluster.runUntil(() => stateAtAll(cluster, rest, gone, "stopped"), 10_000)).toBeDefined();
    cluster.run(60_000);
    expect(cluster.eventsOf("member-changed").some(({ event }) => event.member.state === "suspect")).toBe(
      false,
    );
    for (const member of rest) expect(cluster.swim(member.id).table.counted().ids).toContain(gone.id);
    cluster.start(gone);
    cluster.act(gone.id, (swim) => swim.join([members[1]?.address ?? ""]));
    expect(cluster.runUntil(() => cluster.allSeeAll(), 10_000)).toBeDefined();
  });

  test("a stopping node no longer defends itself", () => {
    const { cluster, members } = clusterOf(3);
    const [gone, peer] = members as [Member, Member];
    const swim = cluster.swim(gone.id);
    swim.announceStopped();
    swim.request(ping(peer, gone.id, [about({ ...gone, state: "suspect", generation: 5 })]), 0, 0);
    expect(swim.self).toMatchObject({ state: "stopped", generation: 0 });
    expect(swim.timer({ kind: "probe" }, 0)).toEqual([]);
  });

  test("a member that leaves is retired everywhere and no longer counted", () => {
    const { cluster, members } = clusterOf(8);
    const [gone, ...rest] = members as [Member, ...Member[]];
    cluster.act(gone.id, (swim, nowMs) => swim.leave(nowMs));
    cluster.run(50);
    cluster.kill(gone.id);
    expect(cluster.eventsOf("announced")[0]?.event).toEqual({
      kind: "announced",
      state: "retired",
      confirmed: 5,
      told: 5,
    });
    expect(cluster.runUntil(() => stateAtAll(cluster, rest, gone, "retired"), 10_000)).toBeDefined();
    for (const member of rest) expect(cluster.swim(member.id).table.counted().ids).not.toContain(gone.id);
    expect(new Set(rest.map((member) => cluster.swim(member.id).table.counted().tableHash)).size).toBe(1);
  });

  test.each([
    ["and is heard once it can be", 2, 2],
    ["a few times", 100, 0],
  ])("a member that leaves and that nobody hears says so again, %s", (_, roundsCutOff, confirmed) => {
    const { cluster, members } = clusterOf(3);
    const [gone, ...rest] = members as [Member, ...Member[]];
    const others = rest.map(({ id }) => id);
    cluster.partition([gone.id], others);
    cluster.act(gone.id, (swim, nowMs) => swim.leave(nowMs));
    cluster.run(roundsCutOff * SWIM_DEFAULTS.probeTimeoutMs - 10);
    cluster.heal();
    cluster.run(SWIM_DEFAULTS.probeTimeoutMs);
    expect(cluster.eventsOf("announced").map(({ event }) => event)).toMatchObject([{ confirmed, told: 2 }]);
    expect(stateAtAll(cluster, rest, gone, "retired")).toBe(confirmed > 0);
  });

  test("a member that leaves tells those it only suspects, where it is sure of nobody", () => {
    const { cluster, members } = clusterOf(3);
    const [gone, ...rest] = members as [Member, ...Member[]];
    const isSuspect = ({ id }: Member): boolean => cluster.swim(gone.id).table.stateOf(id) === "suspect";
    cluster.partition(...members.map(({ id }) => [id]));
    expect(cluster.runUntil(() => rest.every(isSuspect), 10_000)).toBeDefined();
    cluster.heal();
    cluster.act(gone.id, (swim, nowMs) => swim.leave(nowMs));
    cluster.run(SWIM_DEFAULTS.probeTimeoutMs);
    expect(cluster.eventsOf("announced").map(({ event }) => event)).toMatchObject([
      { confirmed: 2, told: 2 },
    ]);
    expect(stateAtAll(cluster, rest, gone, "retired")).toBe(true);
  });

  test("a retired member that comes back is refused, knows why, and changes nothing", () => {
    const { cluster, members } = clusterOf(5);
    const [gone, ...rest] = members as [Member, ...Member[]];
    cluster.kill(gone.id);
    cluster.act(members[1]?.id ?? "", (swim, nowMs) => swim.retire(gone.id, nowMs));
    cluster.run(20_000);
    cluster.start({ ...gone, generation: 7 });
    cluster.act(gone.id, (swim) => swim.join([members[2]?.address ?? ""]));
    cluster.run(20_000);
    expect(cluster.eventsOf("refused").map(({ node, event }) => [node, event.code])).toContainEqual([
      gone.id,
      "retired",
    ]);
    expect(cluster.eventsOf("self-retired").map(({ node }) => node)).toEqual([gone.id]);
    expect(stateAtAll(cluster, rest, gone, "retired")).toBe(true);
    expect(cluster.swim(gone.id).stats.openRequests).toBe(0);
  });

  test("a member retired while it runs learns it from its next probe", () => {
    const { cluster, members } = clusterOf(5);
    const [gone] = members as [Member];
    cluster.act(members[1]?.id ?? "", (swim, nowMs) => swim.retire(gone.id, nowMs));
    expect(cluster.runUntil(() => cluster.eventsOf("self-retired").length > 0, 10_000)).toBeDefined();
  });

  test("a successor that retires its predecessor takes over its name while that still seems alive", () => {
    const { cluster, members } = clusterOf(5);
    const [old, ...rest] = members as [Member, ...Member[]];
    cluster.kill(old.id);
    const heir: Member = { ...old, id: `n0~${"1".repeat(10)}`, address: "elsewhere:1" };
    cluster.start(heir, { retired: [old.id] });
    cluster.act(heir.id, (swim) => swim.join([members[1]?.address ?? ""]));
    expect(cluster.runUntil(() => cluster.allSeeAll(), 10_000)).toBeDefined();
    expect(stateAtAll(cluster, rest, old, "retired")).toBe(true);
    expect(cluster.eventsOf("name-clash")).toEqual([]);
  });

  test("two nodes that both came back under new ids find each other by their old addresses", () => {
    const cluster = new VirtualCluster({ seed: 4 });
    const reborn = [A, B].map(
      (member): Member => ({ ...member, id: `${member.id.slice(0, 2)}${"1".repeat(10)}` }),
    );
    const [newA, newB] = reborn as [Member, Member];
    cluster.start(newA, { members: [B], retired: [A.id] });
    cluster.start(newB, { members: [A], retired: [B.id] });
    expect(cluster.runUntil(() => cluster.allSeeAll(), 120_000)).toBeDefined();
    cluster.run(5_000);
    for (const member of reborn)
      expect(cluster.swim(member.id).table.counted().ids).toEqual([newA.id, newB.id]);
  });

  test("histories of retirements longer than a message are compared page by page", () => {
    const cluster = new VirtualCluster({ seed: 1 });
    const retired = (prefix: string, count: number): string[] =>
      Array.from({ length: count }, (_, i) => `${prefix}${i}~${"0".repeat(10)}`);
    cluster.start(A, { retired: retired("x", 3 * RETIRED_PAGE) });
    cluster.start(B, { retired: [...retired("y", 2 * RETIRED_PAGE + 1), ...retired("x", 100)] });
    cluster.act(A.id, (swim) => swim.join([B.address]));
    cluster.run(500);
    const tables = [A, B].map((member) => cluster.swim(member.id).table);
    for (const table of tables) expect(table.retiredCount).toBe(5 * RETIRED_PAGE + 1);
    expect(tables[0]?.counted().tableHash).toBe(tables[1]?.counted().tableHash);
  });
});
