import { describe, expect, test } from "vitest";
import { GENERATION_MAX, type Member } from "./member.ts";
import { A, about, ask, B, C, clusterOf, ping, replyIn } from "./samples.contract.ts";
import { ANYONE, type SwimEffect, type SwimReply, type SwimRequest } from "./swim-messages.ts";
import { memberOf, VirtualCluster } from "./virtual-cluster.contract.ts";

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
    swim.request(
      { kind: "push-pull", from: C, to: ANYONE, members, retired: [], belongs: true, boundTo: [] },
      0,
      0,
    );
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

  test.each([
    ["malformed", { ...B, address: "" }],
    ["this node itself", A],
  ])("a reply whose sender is %s counts as none, and is not read", (_, from) => {
    const cluster = new VirtualCluster({ seed: 1 });
    const swim = cluster.start(A, { members: [B] });
    const [request] = swim.timer({ kind: "probe" }, 0);
    swim.reply(request?.kind === "request" ? request.id : -1, { kind: "ack", from, updates: [about(C)] }, 1);
    expect(swim.table.get(C.id)).toBeUndefined();
    expect(swim.table.stateOf(B.id)).toBe("suspect");
  });

  test("a reply of a member that was retired meanwhile is not read", () => {
    const cluster = new VirtualCluster({ seed: 1 });
    const swim = cluster.start(A, { members: [B] });
    const [request] = swim.timer({ kind: "probe" }, 0);
    swim.retire(B.id, 1);
    swim.reply(
      request?.kind === "request" ? request.id : -1,
      { kind: "ack", from: B, updates: [about(C)] },
      2,
    );
    expect(swim.table.get(C.id)).toBeUndefined();
  });

  test("a probe that fails after this node has stopped accuses nobody", () => {
    const cluster = new VirtualCluster({ seed: 1 });
    const swim = cluster.start(A, { members: [B] });
    const [request] = swim.timer({ kind: "probe" }, 0);
    swim.announceStopped();
    swim.failed(request?.kind === "request" ? request.id : -1, { kind: "timeout" }, 500);
    expect(swim.table.stateOf(B.id)).toBe("alive");
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
    expect(replyIn(relay(A.id))).toMatchObject({ kind: "nack" });
    expect(relay(C.id)).toMatchObject([{ kind: "request", to: { address: C.address }, timeoutMs: 400 }]);
    expect(replyIn(relay(C.id))).toMatchObject({ kind: "nack" });
    expect(swim.stats.relaysRefused).toBe(1);
  });
});
