import { describe, expect, test } from "vitest";
import { GENERATION_MAX, type Member, type Update } from "./member.ts";
import { ANYONE, RETIRED_PAGE, type SwimEffect, type SwimReply, type SwimRequest } from "./swim-messages.ts";
import { memberOf, VirtualCluster } from "./virtual-cluster.contract.ts";

const A = memberOf("a");
const B = memberOf("b");
const C = memberOf("c");

const about = (member: Member, accuser?: string): Update =>
  accuser === undefined ? { kind: "member", member } : { kind: "member", member, accuser };
const ping = (from: Member, to: string, updates: readonly Update[] = []): SwimRequest => ({
  kind: "ping",
  from,
  to,
  updates,
});
const replyIn = (effects: readonly SwimEffect[]): SwimReply | undefined =>
  effects.flatMap((effect) => (effect.kind === "reply" ? [effect.message] : []))[0];

/** Members that know one another, without a push-pull in the way of what a test looks at. */
function clusterOf(
  count: number,
  seed = 1,
): { readonly cluster: VirtualCluster; readonly members: Member[] } {
  const cluster = new VirtualCluster({ seed });
  return { cluster, members: cluster.startKnown(count) };
}

/** Asks a member of a running cluster directly. */
function ask(cluster: VirtualCluster, of: Member, message: SwimRequest): SwimReply | undefined {
  return replyIn(cluster.swim(of.id).request(message, 0, cluster.nowMs));
}

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

describe("a message is refused, and changes nothing", () => {
  const cases: [string, SwimRequest, { members?: readonly Member[]; retired?: readonly string[] }][] = [
    ["retired", ping({ ...B, generation: 9 }, A.id, [about(C)]), { retired: [B.id] }],
    ["not_me", ping(B, C.id, [about(C)]), {}],
    ["own_id", ping(A, A.id, [about(C)]), {}],
    ["malformed", ping({ ...B, generation: -1 }, A.id, [about(C)]), {}],
    ["malformed", ping({ ...B, state: "dead" }, A.id, [about(C)]), {}],
    ["protocol_mismatch", ping({ ...B, protocol: { min: 2, max: 3 } }, A.id, [about(C)]), {}],
    [
      "name_taken",
      ping({ ...B, id: `b~${"1".repeat(10)}`, address: "new:1" }, A.id, [about(C)]),
      { members: [B] },
    ],
  ];
  test.each(cases)("%s", (code, message, known) => {
    const cluster = new VirtualCluster({ seed: 1 });
    const swim = cluster.start(A, known);
    const before = [swim.table.members(), swim.table.counted(), swim.self];
    expect(ask(cluster, A, message)).toMatchObject({ kind: "refused", code });
    expect([swim.table.members(), swim.table.counted(), swim.self]).toEqual(before);
    expect(swim.stats.requestsRefused).toBe(1);
  });

  test("table_full, when a stranger asks and there is no room", () => {
    const cluster = new VirtualCluster({ seed: 1, config: { membersMax: 2 } });
    cluster.start(A, { members: [B] });
    expect(ask(cluster, A, ping(C, ANYONE))).toEqual({ kind: "refused", code: "table_full" });
    expect(ask(cluster, A, ping(B, ANYONE, [about(C)]))).toMatchObject({ kind: "ack" });
    expect(cluster.swim(A.id).table.get(C.id)).toBeUndefined();
  });

  test("an update with a field out of bounds is left out and counted, the rest is taken", () => {
    const cluster = new VirtualCluster({ seed: 1 });
    const swim = cluster.start(A);
    swim.request(ping(B, A.id, [about({ ...C, address: "" }), { kind: "retired", id: "nonsense" }]), 0, 0);
    expect(swim.table.members()).toEqual([A, B]);
    expect(swim.stats.updatesMalformed).toBe(2);
  });

  test("updates on other protocols' messages are not read when their sender is retired", () => {
    const cluster = new VirtualCluster({ seed: 1 });
    const swim = cluster.start(A, { retired: [B.id] });
    expect(swim.absorb([about(C)], B.id, 0)).toEqual([]);
    expect(swim.absorb([about(C)], "x~0000000000", 0)).not.toEqual([]);
    expect(swim.piggyback(5)).toContainEqual(about(C));
  });
});

describe("one name", () => {
  const twin: Member = { ...B, id: `b~${"1".repeat(10)}`, address: "second:1" };

  const clashes = (effects: readonly SwimEffect[]): unknown[] =>
    effects.flatMap((effect) =>
      effect.kind === "event" && effect.event.kind === "name-clash" ? [effect.event] : [],
    );

  test("the second of two live nodes is refused with the id and address of the first", () => {
    const cluster = new VirtualCluster({ seed: 1 });
    cluster.start(A, { members: [B] });
    cluster.start(B, { members: [A] });
    cluster.start(twin);
    cluster.act(twin.id, (swim) => swim.join([A.address]));
    cluster.run(500);
    const holder = { id: B.id, address: B.address };
    expect(
      cluster.eventsOf("refused").map(({ node, event }) => [node, event.code, event.holder]),
    ).toContainEqual([twin.id, "name_taken", holder]);
    expect(cluster.eventsOf("joined")).toEqual([]);
    expect(cluster.swim(A.id).table.stateOf(twin.id)).toBeUndefined();
  });

  test("the second gets in once the first is dead, which stays counted", () => {
    const cluster = new VirtualCluster({ seed: 1 });
    cluster.start(A, { members: [B] });
    cluster.start(twin);
    cluster.act(twin.id, (swim) => swim.join([A.address]));
    expect(cluster.runUntil(() => cluster.eventsOf("joined").length > 0, 30_000)).toBeDefined();
    expect(cluster.swim(A.id).table.counted().ids).toEqual([A.id, B.id, twin.id]);
  });

  test("a clash learnt from others is reported once, with both addresses", () => {
    const cluster = new VirtualCluster({ seed: 1 });
    const swim = cluster.start(A, { members: [B] });
    expect(clashes(swim.absorb([about(twin)], C.id, 0))).toEqual([
      {
        kind: "name-clash",
        first: { id: B.id, address: B.address },
        second: { id: twin.id, address: twin.address },
      },
    ]);
    expect(clashes(swim.absorb([about({ ...twin, generation: 1 }), about(B)], C.id, 0))).toEqual([]);
  });

  test("one id at two addresses, as from a copied data directory, is reported at the second claim", () => {
    const cluster = new VirtualCluster({ seed: 1 });
    const swim = cluster.start(A);
    const claim = (generation: number): SwimEffect[] =>
      swim.absorb([about({ ...A, address: "copy:1", generation })], B.id, 0);
    const clash = { first: { id: A.id, address: A.address }, second: { id: A.id, address: "copy:1" } };
    // The first may be this node's own past, at another address.
    expect(clashes(claim(1))).toEqual([]);
    expect(swim.self.generation).toBe(2);
    expect(clashes(claim(3))).toEqual([{ kind: "name-clash", ...clash }]);
    expect(clashes(swim.request(ping({ ...A, address: "copy:1" }, A.id), 0, 0))).toHaveLength(1);
  });

  test("another node at a member's address is no sign of life of that member", () => {
    const cluster = new VirtualCluster({ seed: 1 });
    cluster.start(A, { members: [B] });
    cluster.start({ ...B, id: `z~${"1".repeat(10)}` });
    expect(cluster.runUntil(() => cluster.swim(A.id).table.stateOf(B.id) === "dead", 20_000)).toBeDefined();
  });
});

describe("evidence", () => {
  test("a suspected member refutes with a greater generation, and the suspicion ends", () => {
    const { cluster, members } = clusterOf(6);
    const [accused, liar] = members as [Member, Member];
    cluster.act(liar.id, (swim, nowMs) =>
      swim.absorb([about({ ...accused, state: "suspect" }, liar.id)], liar.id, nowMs),
    );
    cluster.run(60_000);
    expect(cluster.eventsOf("refuted").map(({ node, event }) => [node, event.generation])).toEqual([
      [accused.id, 1],
    ]);
    expect(cluster.deaths()).toEqual([]);
    expect(cluster.allSeeAll()).toBe(true);
  });

  test("a member declared dead is told so, refutes, and is alive again everywhere", () => {
    const { cluster, members } = clusterOf(6);
    const [accused, liar] = members as [Member, Member];
    cluster.act(liar.id, (swim, nowMs) =>
      swim.absorb([about({ ...accused, state: "dead" })], liar.id, nowMs),
    );
    expect(cluster.runUntil(() => cluster.eventsOf("self-declared-dead").length > 0, 30_000)).toBeDefined();
    expect(cluster.runUntil(() => cluster.allSeeAll(), 30_000)).toBeDefined();
  });

  test("a message from a member held dead is no evidence; the reply tells it what is believed", () => {
    const cluster = new VirtualCluster({ seed: 1 });
    const dead: Member = { ...B, state: "dead" };
    const swim = cluster.start(A, { members: [dead] });
    const reply = ask(cluster, A, ping(B, A.id));
    expect(swim.table.stateOf(B.id)).toBe("dead");
    expect(reply?.kind === "ack" ? reply.updates[0] : undefined).toEqual(about(dead));
    ask(cluster, A, ping({ ...B, generation: 1 }, A.id));
    expect(swim.table.stateOf(B.id)).toBe("alive");
  });

  test("a death learnt by push-pull only raises a suspicion of a member that is live here", () => {
    const cluster = new VirtualCluster({ seed: 1 });
    const swim = cluster.start(A, { members: [B] });
    const members: Member[] = [
      { ...B, state: "dead" },
      { ...memberOf("d"), state: "dead" },
    ];
    swim.request({ kind: "push-pull", from: C, to: ANYONE, members, retired: [] }, 0, 0);
    expect(swim.table.stateOf(B.id)).toBe("suspect");
    expect(swim.table.stateOf(memberOf("d").id)).toBe("dead");
  });

  test("of updates that come together retirements are taken first", () => {
    const cluster = new VirtualCluster({ seed: 1 });
    const swim = cluster.start(A, { members: [B] });
    const heir: Member = { ...B, id: `b~${"1".repeat(10)}`, address: "new:1" };
    const effects = swim.absorb([about(heir), { kind: "retired", id: B.id }], C.id, 0);
    expect(effects.some((effect) => effect.kind === "event" && effect.event.kind === "name-clash")).toBe(
      false,
    );
    expect(swim.table.counted().ids).toEqual([A.id, heir.id]);
  });

  test("replayed messages change nothing", () => {
    const { cluster, members } = clusterOf(4);
    const requests: { readonly to: string; readonly message: SwimRequest }[] = [];
    cluster.onRequest = (_from, address, message) => {
      if (message.kind !== "push-pull") requests.push({ to: address, message });
    };
    const [first, second] = members as [Member, Member];
    cluster.act(second.id, (swim, nowMs) =>
      swim.absorb([about({ ...first, state: "dead" })], second.id, nowMs),
    );
    cluster.run(20_000);
    cluster.onRequest = () => undefined;
    expect(cluster.allSeeAll()).toBe(true);
    const tables = (): unknown => members.map((member) => cluster.swim(member.id).table.members());
    const before = tables();
    for (const { to, message } of requests) {
      const receiver = members.find((member) => member.address === to);
      if (receiver !== undefined) ask(cluster, receiver, message);
    }
    expect(requests.length).toBeGreaterThan(50);
    expect(tables()).toEqual(before);
  });

  test("a reply that nobody waits for, or that comes twice, changes nothing", () => {
    const cluster = new VirtualCluster({ seed: 1 });
    const swim = cluster.start(A, { members: [B] });
    const [request] = swim.timer({ kind: "probe" }, 0);
    expect(request).toMatchObject({ kind: "request", to: { id: B.id } });
    const id = request?.kind === "request" ? request.id : -1;
    const ack: SwimReply = { kind: "ack", from: B, updates: [] };
    expect(swim.reply(id + 1, { ...ack, updates: [about(C)] }, 1)).toEqual([]);
    expect(swim.reply(id, ack, 2)).not.toEqual([]);
    expect(swim.reply(id, { ...ack, updates: [about(C)] }, 3)).toEqual([]);
    expect(swim.table.get(C.id)).toBeUndefined();
  });

  test("a claimed generation that leaves no room to refute is reported", () => {
    const cluster = new VirtualCluster({ seed: 1 });
    const swim = cluster.start(A);
    const effects = swim.absorb([about({ ...A, state: "dead", generation: GENERATION_MAX })], B.id, 0);
    expect(effects).toEqual([
      { kind: "event", event: { kind: "generation-exhausted", claimed: GENERATION_MAX } },
    ]);
  });

  test("a helper pings only addresses it knows itself, and only so many at a time", () => {
    const cluster = new VirtualCluster({ seed: 1, config: { relaysMax: 1 } });
    const swim = cluster.start(A, { members: [B, C] });
    const relay = (target: string): SwimEffect[] =>
      swim.request({ kind: "ping-req", from: B, to: A.id, target, waitMs: 400, updates: [] }, 0, 0);
    expect(replyIn(relay("stranger~0000000000"))).toMatchObject({ kind: "nack" });
    expect(relay(C.id)).toMatchObject([{ kind: "request", to: { address: C.address }, timeoutMs: 400 }]);
    expect(replyIn(relay(C.id))).toMatchObject({ kind: "nack" });
    expect(swim.stats.relaysRefused).toBe(1);
  });
});
