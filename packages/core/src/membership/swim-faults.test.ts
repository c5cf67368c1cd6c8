/** Loss, partitions, pauses: a healthy and reachable member is never dead for good. */
import { describe, expect, test } from "vitest";
import type { NodeId } from "../identity.ts";
import { randomBelow, SeededRandom } from "../random.ts";
import { isLiveMember, type Member } from "./member.ts";
import { Swim } from "./swim.ts";
import { memberOf, VirtualCluster } from "./virtual-cluster.contract.ts";

/** The longest time that any observer held any member dead before it saw it live again. */
function longestDeathMs(cluster: VirtualCluster): number {
  const since = new Map<string, number>();
  let longestMs = 0;
  for (const { atMs, node, event } of cluster.eventsOf("member-changed")) {
    const pair = `${node} ${event.member.id}`;
    if (event.member.state === "dead") since.set(pair, since.get(pair) ?? atMs);
    const from = since.get(pair);
    if (from === undefined || !isLiveMember(event.member)) continue;
    longestMs = Math.max(longestMs, atMs - from);
    since.delete(pair);
  }
  return longestMs;
}

describe("30% of all messages lost", () => {
  test.each([[5], [16], [32]])(
    "%i healthy members are seldom held dead, never for long, and not in the end",
    (n) => {
      const cluster = new VirtualCluster({ seed: n, loss: 0.3 });
      cluster.startKnown(n);
      cluster.run(300_000);
      // Of n * n pairs in 5 minutes few go wrong, and those for seconds.
      expect(cluster.deaths().length).toBeLessThan(n * 4);
      expect(longestDeathMs(cluster)).toBeLessThan(45_000);
      cluster.loss = 0;
      expect(cluster.runUntil(() => cluster.allSeeAll(), 90_000)).toBeDefined();
    },
  );

  test("a node joins all the same", () => {
    const cluster = new VirtualCluster({ seed: 8, loss: 0.3 });
    cluster.startKnown(16);
    cluster.start(memberOf("new"));
    cluster.act(memberOf("new").id, (swim) => swim.join(["n0:1", "n1:1"]));
    const knows = (): boolean => cluster.swim(memberOf("new").id).table.members().length === 17;
    expect(cluster.runUntil(() => knows() && cluster.eventsOf("joined").length > 0, 60_000)).toBeDefined();
  });
});

describe("a partition", () => {
  test.each([[4], [16], [128]])("of %i members in halves heals without an operator", (n) => {
    const cluster = new VirtualCluster({ seed: n });
    const ids = cluster.startKnown(n).map((member) => member.id);
    const halves = [ids.slice(0, n / 2), ids.slice(n / 2)] as const;
    cluster.partition(...halves);
    const apart = (): boolean =>
      halves[0].every((a) => halves[1].every((b) => cluster.swim(a).table.stateOf(b) === "dead"));
    expect(cluster.runUntil(apart, 120_000)).toBeDefined();
    cluster.run(5_000);
    cluster.heal();
    expect(cluster.runUntil(() => cluster.allSeeAll(), 60_000)).toBeDefined();
  });

  test("of one member ends with it alive everywhere, and the hash was the same all along", () => {
    const cluster = new VirtualCluster({ seed: 2 });
    const ids = cluster.startKnown(5).map((member) => member.id);
    const hashes = (): Set<string> => new Set(ids.map((id) => cluster.swim(id).table.counted().tableHash));
    cluster.partition(ids.slice(0, 1), ids.slice(1));
    cluster.run(120_000);
    expect(cluster.allSeeAll()).toBe(false);
    expect(hashes().size).toBe(1);
    cluster.heal();
    expect(cluster.runUntil(() => cluster.allSeeAll(), 60_000)).toBeDefined();
    expect(hashes().size).toBe(1);
  });

  test("during which one side retires a member of the other ends with that one refused and the rest together", () => {
    const cluster = new VirtualCluster({ seed: 3 });
    const members = cluster.startKnown(6);
    const ids = members.map((member) => member.id);
    const gone = ids[5] ?? "";
    cluster.partition(ids.slice(0, 3), ids.slice(3));
    cluster.run(60_000);
    cluster.act(ids[0] ?? "", (swim, nowMs) => swim.retire(gone, nowMs));
    cluster.heal();
    expect(cluster.runUntil(() => cluster.eventsOf("self-retired").length === 1, 90_000)).toBeDefined();
    cluster.kill(gone);
    expect(cluster.runUntil(() => cluster.allSeeAll(), 60_000)).toBeDefined();
    const hashes = (): string[] => ids.slice(0, 5).map((id) => cluster.swim(id).table.counted().tableHash);
    expect(cluster.runUntil(() => new Set(hashes()).size === 1, 60_000)).toBeDefined();
  });

  test("in which all pings of one pair are lost accuses nobody: the helpers reach the member", () => {
    const cluster = new VirtualCluster({ seed: 4 });
    const members = cluster.startKnown(6);
    const [a, b] = members.map((member) => member.id);
    cluster.cutPair(a ?? "", b ?? "");
    cluster.run(120_000);
    expect(cluster.eventsOf("member-changed").filter(({ event }) => event.member.state !== "alive")).toEqual(
      [],
    );
  });
});

describe("a paused process", () => {
  test("comes back, is told that it is dead, and is alive again everywhere", () => {
    const cluster = new VirtualCluster({ seed: 5 });
    const ids = cluster.startKnown(8).map((member) => member.id);
    cluster.run(3_000);
    cluster.pause(ids[0] ?? "", 60_000);
    cluster.run(59_000);
    expect(cluster.swim(ids[1] ?? "").table.stateOf(ids[0] ?? "")).toBe("dead");
    expect(cluster.runUntil(() => cluster.allSeeAll(), 60_000)).toBeDefined();
  });

  test("does not take its own pause for the death of those it had just begun to suspect", () => {
    const cluster = new VirtualCluster({ seed: 6 });
    const members = cluster.startKnown(4);
    const [slow, accused] = members;
    if (slow === undefined || accused === undefined) expect.unreachable();
    cluster.run(3_000);
    cluster.act(slow.id, (swim, nowMs) =>
      swim.absorb(
        [{ kind: "member", member: { ...accused, state: "suspect" }, accuser: slow.id }],
        slow.id,
        nowMs,
      ),
    );
    cluster.pause(slow.id, 30_000);
    cluster.run(60_000);
    expect(cluster.deaths().filter(({ node, of }) => node === slow.id && of === accused.id)).toEqual([]);
  });
});

test("a node counts the members of its earlier run from the moment it exists", () => {
  const cluster = new VirtualCluster({ seed: 1 });
  const members = cluster.startKnown(3);
  const [self] = members;
  if (self === undefined) throw new Error("unreachable");
  const { table } = cluster.swim(self.id);
  const swim = new Swim({
    entered: false,
    belongs: () => true,
    boundTo: () => [],
    self,
    config: cluster.config,
    random: new SeededRandom(1),
    hash: (text) => text,
    known: { members: table.members(), retired: ["x~0123456789"] },
  });
  expect(swim.table.counted().ids).toEqual(members.map(({ id }) => id).sort());
  expect(swim.table.isRetired("x~0123456789")).toBe(true);
});

test("a rolling restart of every member loses nobody", () => {
  const cluster = new VirtualCluster({ seed: 9 });
  const members = cluster.startKnown(5);
  for (const [i, member] of members.entries()) {
    const known = cluster.swim(member.id).table.members();
    cluster.act(member.id, (swim) => swim.announceStopped());
    cluster.run(200);
    cluster.kill(member.id);
    cluster.run(4_000);
    cluster.start(member, { members: known });
    cluster.act(member.id, (swim) => swim.join([members[(i + 1) % 5]?.address ?? ""]));
    cluster.run(1_000);
  }
  expect(cluster.runUntil(() => cluster.allSeeAll(), 20_000)).toBeDefined();
  expect(cluster.deaths()).toEqual([]);
});

test("128 nodes that join by one seed at once all know all within seconds", () => {
  const cluster = new VirtualCluster({ seed: 10 });
  cluster.start(memberOf("n0"));
  for (let i = 1; i < 128; i++) {
    const member = memberOf(`n${i}`);
    cluster.start(member);
    cluster.act(member.id, (swim) => swim.join(["n0:1"]));
  }
  expect(cluster.runUntil(() => cluster.allSeeAll(), 15_000)).toBeDefined();
});

describe("after any mix of crashes, pauses, blocks, losses, partitions, stops and a leave", () => {
  const ACTS = ["partition", "heal", "lose", "pause", "block", "crash", "stop", "leave", "return"] as const;

  /** One random history of at most one leave, never with fewer than two members up. @returns the ids that left */
  function disturb(cluster: VirtualCluster, members: readonly Member[], random: SeededRandom): Set<NodeId> {
    const down = new Set<NodeId>();
    const left = new Set<NodeId>();
    for (let step = 0; step < 30; step++) {
      const member = members[randomBelow(random, members.length)] ?? memberOf("none");
      const { id } = member;
      const up = !down.has(id) && !left.has(id);
      const mayGo = up && down.size + left.size < members.length - 2;
      const act = ACTS[randomBelow(random, ACTS.length)];
      const some = members.slice(0, randomBelow(random, members.length)).map((each) => each.id);
      if (act === "partition") cluster.partition(some);
      if (act === "heal") cluster.heal();
      if (act === "lose") cluster.loss = random.next() < 0.5 ? 0 : 0.3;
      if (act === "pause" && up) cluster.pause(id, randomBelow(random, 40_000));
      if (act === "block" && up) cluster.block(id, randomBelow(random, 20_000));
      if (act === "return" && down.delete(id)) comeBack(cluster, member, members);
      if (act === "crash" && mayGo) vanish(cluster, id, down);
      if (act === "stop" && mayGo) {
        cluster.act(id, (swim) => swim.announceStopped());
        vanish(cluster, id, down);
      }
      if (act === "leave" && mayGo && left.size === 0) {
        cluster.act(id, (swim, nowMs) => swim.leave(nowMs));
        vanish(cluster, id, left);
      }
      cluster.run(randomBelow(random, 20_000));
    }
    for (const member of members) if (down.has(member.id)) comeBack(cluster, member, members);
    return left;
  }

  function vanish(cluster: VirtualCluster, id: NodeId, into: Set<NodeId>): void {
    cluster.run(500);
    cluster.kill(id);
    into.add(id);
  }

  /** Restarts with nothing but the own id, as when only the identity is durable. */
  function comeBack(cluster: VirtualCluster, member: Member, members: readonly Member[]): void {
    cluster.start(member);
    cluster.act(member.id, (swim) => swim.join(members.map((each) => each.address)));
  }

  test.each(Array.from({ length: 20 }, (_, i) => [i + 1]))(
    "all find each other and count the same, seed %i",
    (seed) => {
      const cluster = new VirtualCluster({ seed });
      const members = cluster.startKnown(3 + (seed % 10));
      const left = disturb(cluster, members, new SeededRandom(seed));
      cluster.heal();
      cluster.loss = 0;
      const staying = members
        .filter((member) => !left.has(member.id))
        .map((member) => cluster.swim(member.id));
      const agree = (): boolean => new Set(staying.map((swim) => swim.table.counted().tableHash)).size === 1;
      expect(cluster.runUntil(() => cluster.allSeeAll() && agree(), 120_000)).toBeDefined();
      expect(cluster.eventsOf("self-retired").every(({ node }) => left.has(node))).toBe(true);
    },
  );
});
