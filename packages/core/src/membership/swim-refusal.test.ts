import { describe, expect, test } from "vitest";
import type { Member } from "./member.ts";
import { A, about, ask, B, C, ping, replyIn } from "./samples.contract.ts";
import type { Swim } from "./swim.ts";
import { ANYONE, type PushPull, RETIRED_PAGE, type SwimEffect, type SwimRequest } from "./swim-messages.ts";
import { memberOf, VirtualCluster } from "./virtual-cluster.contract.ts";

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

  test("of ids that a peer makes up a table takes as many as are left to its bounds, counts and names the rest, and keeps those it knew", () => {
    const cluster = new VirtualCluster({ seed: 1, config: { membersMax: 5, retiredMax: 4 } });
    const known = `gone~${"0".repeat(10)}`;
    const swim = cluster.start(A, { members: [B], retired: [known] });
    const invented = (kind: string, count: number): string[] =>
      Array.from({ length: count }, (_, i) => `${kind}${i}~${"0".repeat(10)}`);
    const effects = swim.request(
      ping(B, A.id, [
        ...invented("m", 10).map((id) => about({ ...C, id, address: `${id}:1` })),
        ...invented("r", 10).map((id) => ({ kind: "retired", id }) as const),
      ]),
      0,
      0,
    );
    expect([swim.table.members().length, swim.table.retiredCount]).toEqual([5, 4]);
    expect(swim.stats.updatesBeyondBounds).toBe(7 + 7);
    const refused = effects.flatMap((effect) =>
      effect.kind === "event" && effect.event.kind === "table-full" ? [effect.event.id] : [],
    );
    expect(refused).toEqual([...invented("r", 10).slice(3), ...invented("m", 10).slice(3)]);
    expect([swim.table.isRetired(known), swim.table.stateOf(B.id)]).toEqual([true, "alive"]);
  });

  test("a peer that gives the same retired ids over and over is not asked without end", () => {
    const swim = new VirtualCluster({ seed: 1 }).start(A, { members: [B] });
    const ids = Array.from({ length: RETIRED_PAGE }, (_, i) => `r${String(i).padStart(5, "0")}~0000000000`);
    const asked = (effects: readonly SwimEffect[]): number | undefined =>
      effects.flatMap((effect) => (effect.kind === "request" ? [effect.id] : []))[0];
    const state = {
      kind: "state",
      from: B,
      members: [B],
      retired: [],
      belongs: true,
      tableHash: "",
    } as const;
    let request = asked(swim.reply(asked(swim.exchangeTables(B)) ?? 0, state, 0));
    let pages = 0;
    for (; request !== undefined && pages < 9; pages++) {
      request = asked(swim.reply(request, { kind: "retired-ids", from: B, ids }, 0));
    }
    expect(pages).toBe(2);
  });

  test("updates on other protocols' messages are not read when their sender is retired", () => {
    const cluster = new VirtualCluster({ seed: 1 });
    const swim = cluster.start(A, { retired: [B.id] });
    expect(swim.absorb([about(C)], B.id, 0)).toEqual([]);
    expect(swim.absorb([about(C)], "x~0000000000", 0)).not.toEqual([]);
    expect(swim.piggyback(5)).toContainEqual(about(C));
  });
});

describe("another cluster of the same name", () => {
  const D = memberOf("d");
  const met = { kind: "event", event: { kind: "other-cluster", at: { id: C.id, address: C.address } } };
  const theirs = { from: C, members: [C, D], retired: ["e~0000000000"], belongs: true } as const;
  const pushPull = (changes: Partial<PushPull> = {}): PushPull => ({
    kind: "push-pull",
    to: ANYONE,
    ...theirs,
    boundTo: [],
    ...changes,
  });
  const table = (swim: Swim): unknown => [swim.table.members(), swim.table.counted()];

  test("is refused, and nothing taken from it", () => {
    const swim = new VirtualCluster({ seed: 1 }).start(A, { members: [B], belongs: true });
    const before = table(swim);
    const effects = swim.request(pushPull(), 0, 0);
    expect(effects).toContainEqual(met);
    expect(replyIn(effects)).toMatchObject({ kind: "refused", code: "other_cluster" });
    expect(table(swim)).toEqual(before);
  });

  test.each<[string, Partial<PushPull>, boolean]>([
    ["the sender is a newcomer", { belongs: false }, true],
    ["this node is a newcomer", {}, false],
    ["both know a member", { members: [C, D, B] }, true],
    ["the sender knows that a member here is retired", { retired: [B.id] }, true],
    ["this node knows that a member there is retired", { members: [C, memberOf("x")] }, true],
  ])("is not what somebody is of where %s", (_, changes, belongs) => {
    const known = { members: [B], retired: [memberOf("x").id], belongs };
    const swim = new VirtualCluster({ seed: 1 }).start(A, known);
    expect(replyIn(swim.request(pushPull(changes), 0, 0))).toMatchObject({ kind: "state", belongs: true });
    expect(swim.table.get(C.id)).toEqual(C);
  });

  test("is refused by a newcomer that has taken over the table of one, and says so", () => {
    const cluster = new VirtualCluster({ seed: 1 });
    const swim = cluster.start(A);
    expect([swim.entered, swim.isTold]).toEqual([false, false]);
    swim.request(pushPull(), 0, 0);
    expect([swim.entered, swim.isTold]).toEqual([true, true]);
    // A newcomer that it meets afterwards takes nothing of that back.
    swim.request(pushPull({ from: D, members: [D], retired: [], belongs: false }), 0, 0);
    expect(swim.entered).toBe(true);
    const before = table(swim);
    const other = { from: B, members: [B], retired: [] };
    expect(replyIn(swim.request(pushPull(other), 0, 0))).toMatchObject({ code: "other_cluster" });
    expect(table(swim)).toEqual(before);
    const join = swim.join([B.address]).find((effect) => effect.kind === "request");
    expect(join?.message).toMatchObject({ kind: "push-pull", belongs: true });
  });

  test("is told of anew in each run, though its table was taken over in an earlier one", () => {
    const swim = new VirtualCluster({ seed: 1 }).start(A, { members: [B], entered: true });
    expect([swim.entered, swim.isTold]).toEqual([true, false]);
    swim.request(pushPull({ from: B, members: [B, C] }), 0, 0);
    expect([swim.entered, swim.isTold]).toEqual([true, true]);
  });

  test("is none that two newcomers are of, which have entered nothing yet", () => {
    const swim = new VirtualCluster({ seed: 1 }).start(A);
    expect(replyIn(swim.request(pushPull({ belongs: false }), 0, 0))).toMatchObject({ belongs: false });
    expect(swim.entered).toBe(false);
    expect(replyIn(swim.request(pushPull({ from: B, members: [B] }), 0, 0))).toMatchObject({ kind: "state" });
  });

  test.each<[string, Partial<PushPull>, { belongs?: boolean; boundTo?: readonly string[] }]>([
    ["the sender was let in by another member", { belongs: false, boundTo: [D.id] }, { belongs: true }],
    ["the sender was, and this node is a newcomer", { belongs: false, boundTo: [D.id] }, {}],
    ["this node was let in by another member", {}, { boundTo: [B.id] }],
    ["this node was, and the sender is a newcomer", { belongs: false }, { boundTo: [B.id] }],
    ["both were, by different ones", { belongs: false, boundTo: [D.id] }, { boundTo: [B.id] }],
  ])("is what somebody is of where %s", (_, changes, known) => {
    const swim = new VirtualCluster({ seed: 1 }).start(A, known);
    const before = table(swim);
    const effects = swim.request(pushPull({ members: [C], retired: [], ...changes }), 0, 0);
    expect([replyIn(effects), table(swim)]).toEqual([
      { kind: "refused", code: "other_cluster", holder: { id: A.id, address: A.address } },
      before,
    ]);
  });

  test.each<[string, Partial<PushPull>, { members?: readonly Member[]; boundTo?: readonly string[] }]>([
    ["which let the sender in", { boundTo: [B.id] }, { members: [B] }],
    ["which let this node in", { members: [C, B] }, { boundTo: [B.id] }],
    ["which let both in", { boundTo: [B.id] }, { boundTo: [B.id] }],
    ["or newcomer that both have found", { boundTo: ["x", B.id] }, { boundTo: [D.id, B.id] }],
    ["and that is this node, by its introducer", { members: [C, A] }, { boundTo: [B.id] }],
  ])("is not what somebody is of who knows a member %s", (_, changes, known) => {
    const swim = new VirtualCluster({ seed: 1 }).start(A, known);
    expect(replyIn(swim.request(pushPull(changes), 0, 0))).toMatchObject({ kind: "state" });
    const join = swim.join(["x:1"]).find((effect) => effect.kind === "request");
    expect(join?.message).toMatchObject({ boundTo: known.boundTo ?? [] });
  });

  test("is not joined either: what it answers is not taken, and what it refuses is told", () => {
    const swim = new VirtualCluster({ seed: 1 }).start(A, { members: [B], belongs: true });
    const before = table(swim);
    for (const answer of [
      { kind: "state", ...theirs, tableHash: "" },
      { kind: "refused", code: "other_cluster", holder: C },
    ] as const) {
      const request = swim.join([C.address]).find((effect) => effect.kind === "request");
      expect(request?.message).toMatchObject({ kind: "push-pull", belongs: true });
      const effects = swim.reply(request?.id ?? 0, answer, 0);
      const at = { ...met.event.at, id: answer.kind === "state" ? C.id : ANYONE };
      expect(effects).toEqual([{ kind: "event", event: { kind: "other-cluster", at } }]);
    }
    expect(table(swim)).toEqual(before);
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

  test("the second is heard once others have let it in: they know why", () => {
    const cluster = new VirtualCluster({ seed: 1 });
    cluster.start(A, { members: [B, twin] });
    expect(ask(cluster, A, ping(twin, A.id))).toMatchObject({ kind: "ack" });
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
