import {
  ANTI_ENTROPY_DEFAULTS,
  DEFAULT_RUMOR_OPTIONS,
  decodeUtf8,
  encodeUtf8,
  hlcFromMs,
  type KeyRecord,
  type NodeId,
  type PeerRequest,
  SWIM_DEFAULTS,
} from "@hearsay/core";
import { describe, expect, test } from "vitest";
import { MAX_DRIFT_MS, MemoryReplica, START_MS } from "../exchange/memory-replica.contract.ts";
import { MemoryStore } from "../memory-store.contract.ts";
import { PeerFault } from "../peer-fault.ts";
import {
  FRIEND,
  introduce,
  LIMITS,
  memberOf,
  rumors,
  STRANGER,
  standing,
  start,
} from "./lone-member.contract.ts";
import { rest } from "./manual-timers.contract.ts";
import { formatUnit } from "./unit-text.ts";

const version = { time: hlcFromMs(START_MS), node: FRIEND.id };
const needMembership: PeerRequest[] = [
  rumors(),
  {
    kind: "exchange-start",
    session: 1,
    tableHash: "0".repeat(16),
    standing,
    offer: { time: 1, vector: new Map() },
    root: new Uint8Array(32),
  },
  { kind: "fetch", key: "k" },
  { kind: "holds", key: "k", version },
  { kind: "state-digest", digests: [], whole: true },
  { kind: "state-delta", deltas: [] },
];
const needNone: PeerRequest[] = [
  { kind: "hello", limits: LIMITS, knows: [], belongs: false, boundTo: [] },
  { kind: "ping", from: STRANGER, to: "", updates: [] },
];

describe("a member serves", () => {
  test.each(needMembership.map((message) => [message.kind, message] as const))(
    "%s to members only, and changes nothing for strangers",
    async (_, message) => {
      const it = await start();
      const before = it.member.membership.counted();
      await expect(it.member.serve(STRANGER.id, message)).rejects.toMatchObject({
        reason: { code: "unknown_member" },
      });
      expect(it.member.membership.counted()).toEqual(before);
      await introduce(it, STRANGER);
      await expect(it.member.serve(STRANGER.id, message)).resolves.toHaveProperty("kind");
    },
  );

  test.each(needNone.map((message) => [message.kind, message] as const))(
    "%s to whoever asks",
    async (_, message) => {
      const it = await start();
      await expect(it.member.serve(STRANGER.id, message)).resolves.toHaveProperty("kind");
    },
  );

  test.each([...needMembership, ...needNone].map((message) => [message.kind, message] as const))(
    "no %s to a retired node",
    async (_, message) => {
      const it = await start();
      await introduce(it, STRANGER);
      await it.member.forget(STRANGER.id);
      await expect(it.member.serve(STRANGER.id, message)).rejects.toMatchObject({
        reason: { code: "retired" },
      });
    },
  );

  test.each(needMembership.map((message) => [message.kind, message] as const))(
    "no %s to itself, which an earlier incarnation at its address was to get",
    async (_, message) => {
      const it = await start();
      await expect(it.member.serve(it.member.id, message)).rejects.toMatchObject({
        reason: { code: "unknown_member" },
      });
    },
  );

  test("nobody before what an earlier run left is settled", async () => {
    const store = new MemoryStore();
    const first = await start(store);
    await introduce(first, FRIEND);
    await first.member.membership.saved();
    first.member.halt();
    const answers: unknown[] = [];
    await start(store, [], {}, (member) => {
      answers.push(member.serve(FRIEND.id, rumors()).catch((error: unknown) => error));
    });
    expect(await answers[0]).toMatchObject({ reason: { code: "busy" } });
  });

  test("nobody any more when it has stopped or is retired", async () => {
    const it = await start();
    await introduce(it, FRIEND);
    it.member.halt();
    await expect(it.member.serve(FRIEND.id, { kind: "fetch", key: "k" })).rejects.toMatchObject({
      reason: { code: "busy" },
    });
  });

  test("no exchange to its end when it has stopped meanwhile: its answer would rest on what it may have lost", async () => {
    const it = await start();
    await introduce(it, FRIEND);
    const { node } = it.replica;
    const ownTime = node.ownTime.bind(node);
    node.ownTime = async () => {
      it.member.halt();
      return await ownTime();
    };
    const { tableHash } = it.member.membership.counted();
    const offer = { time: 1, vector: new Map<NodeId, number>() };
    const root = new Uint8Array(32);
    await expect(
      it.member.serve(FRIEND.id, { kind: "exchange-start", session: 1, tableHash, standing, offer, root }),
    ).rejects.toMatchObject({ reason: { code: "busy" } });
  });

  test("no exchange to its end to a node that was retired meanwhile", async () => {
    const it = await start();
    await introduce(it, FRIEND);
    const { node } = it.replica;
    const ownTime = node.ownTime.bind(node);
    node.ownTime = async () => {
      node.ownTime = ownTime;
      await it.member.forget(FRIEND.id);
      return await ownTime();
    };
    const { tableHash } = it.member.membership.counted();
    const offer = { time: 1, vector: new Map<NodeId, number>() };
    const root = new Uint8Array(32);
    await expect(
      it.member.serve(FRIEND.id, { kind: "exchange-start", session: 1, tableHash, standing, offer, root }),
    ).rejects.toMatchObject({ reason: { code: "retired" } });
  });

  test("no record that it cannot read, and does not say that there is none", async () => {
    const it = await start();
    await introduce(it, FRIEND);
    const { store } = it.replica;
    store.get = (key) => {
      throw Object.assign(new Error("damaged"), { fault: { code: "record_damaged", key, versions: [] } });
    };
    await expect(it.member.serve(FRIEND.id, { kind: "fetch", key: "k" })).rejects.toMatchObject({
      reason: { code: "busy" },
    });
  });

  test("no word that it holds a state of which it lacks a part", async () => {
    const it = await start();
    await introduce(it, FRIEND);
    const held = { time: hlcFromMs(START_MS), node: FRIEND.id };
    const record: KeyRecord = {
      context: new Map([[held.node, held.time]]),
      siblings: [{ kind: "tombstone", version: held }],
    };
    await it.replica.store.put("k", record);
    const other = { time: held.time - 1, node: STRANGER.id };
    const rumor = { key: "k", sizeBytes: 1, hops: 0, mailed: true, inline: false, record: null };
    const verdicts: unknown[] = [];
    for (const versions of [[held], [held, other]]) {
      const reply = await it.member.serve(FRIEND.id, rumors({ rumors: [{ ...rumor, versions }] }));
      if (reply.kind === "rumors-reply") verdicts.push(...reply.answers);
    }
    expect(verdicts).toEqual([
      { key: "k", verdict: "known" },
      { key: "k", verdict: "wanted" },
    ]);
  });

  test("the second node of one name with a refusal that names the first one's address", async () => {
    const it = await start();
    await introduce(it, FRIEND);
    const namesake = memberOf("b", { id: "b~9999999999", address: "elsewhere:1" });
    expect(await introduce(it, namesake)).toEqual({
      kind: "refused",
      code: "name_taken",
      holder: { id: FRIEND.id, address: FRIEND.address },
    });
    expect(it.member.membership.peer(namesake.id)).toBeUndefined();
  });
});

test("a node that was told it is retired says so again after a restart, before anybody refuses it", async () => {
  const store = new MemoryStore();
  const first = await start(store);
  await introduce(first, FRIEND);
  const retired = [first.member.id];
  const state = {
    kind: "push-pull",
    from: FRIEND,
    to: "",
    members: [FRIEND],
    retired,
    belongs: true,
    boundTo: [],
  } as const;
  await first.member.serve(FRIEND.id, state);
  expect(first.retired).toBe(true);
  await first.member.membership.saved();
  first.member.halt();
  const second = await start(store, ["b:1"]);
  expect(second.retired).toBe(true);
  expect(second.member.notWritable()).toEqual({ code: "retired" });
});

test("who was let into a table has noted that also where the members in it had shown themselves before", async () => {
  const store = new MemoryStore();
  const it = await start(store, ["b:1"]);
  const notes = async (): Promise<unknown> => {
    await it.member.membership.saved();
    const stored = store.committed.meta.get("members") ?? new Uint8Array();
    return JSON.parse(decodeUtf8(stored) ?? "").entered;
  };
  await it.member.serve(FRIEND.id, { kind: "ping", from: FRIEND, to: it.member.id, updates: [] });
  expect([it.member.membership.stateOf(FRIEND.id), await notes()]).toEqual(["alive", false]);
  const state = { to: "", members: [FRIEND], retired: [], belongs: true, boundTo: [] } as const;
  await it.member.serve(FRIEND.id, { kind: "push-pull", from: FRIEND, ...state });
  expect(await notes()).toBe(true);
});

test.each([true, false])(
  "who was let into a table takes no other one's after a restart either, recorded or not, as is noted or, of an earlier build, concluded: %s",
  async (isNoted) => {
    const store = new MemoryStore();
    const letIn = async (it: Awaited<ReturnType<typeof start>>, from: typeof FRIEND) => {
      const state = { from, to: "", members: [from], retired: [], belongs: true, boundTo: [] } as const;
      await it.member.keeper.letIn([from.address], null);
      return await it.member.serve(from.id, { kind: "push-pull", ...state });
    };
    const first = await start(store, ["b:1"]);
    expect(await letIn(first, FRIEND)).toMatchObject({ kind: "state", belongs: true });
    await first.member.membership.saved();
    first.member.halt();
    const table = JSON.parse(decodeUtf8(store.committed.meta.get("members") ?? new Uint8Array()) ?? "");
    expect(table.entered).toBe(true);
    if (!isNoted)
      await store.meta.put("members", encodeUtf8(JSON.stringify({ ...table, entered: undefined })));
    const second = await start(store, ["b:1"]);
    expect(second.member.joiningState.kind).toBe("joining");
    expect(await letIn(second, STRANGER)).toMatchObject({ kind: "refused", code: "other_cluster" });
    expect(second.member.membership.peer(STRANGER.id)).toBeUndefined();
    await second.timers.advance(0);
    const hellos = second.sent.flatMap(({ message }) => (message.kind === "hello" ? [message.belongs] : []));
    expect(new Set(hellos)).toEqual(new Set([true]));
  },
);

test("a retirement is not settled before it is on the disk, which would come back without it after a crash", async () => {
  const store = new MemoryStore();
  const it = await start(store);
  await introduce(it, FRIEND);
  await introduce(it, STRANGER);
  await it.member.membership.saved();
  const { keeper } = it.member;
  expect(keeper.members.ids).toContain(FRIEND.id);
  const before = keeper.completeness.state.settledAt;
  store.failNext = true;
  const table = { to: "", members: [STRANGER], retired: [FRIEND.id], belongs: true, boundTo: [] };
  await it.member.serve(STRANGER.id, { kind: "push-pull", from: STRANGER, ...table });
  await rest();
  expect(it.log.of("members_not_saved")).toHaveLength(1);
  expect([keeper.completeness.state.settledAt, keeper.members.ids.includes(FRIEND.id)]).toEqual([
    before,
    true,
  ]);
  await it.timers.advance(3000);
  expect(keeper.completeness.state.settledAt).toBeGreaterThan(before);
  expect(keeper.members.ids).toEqual([it.member.id, STRANGER.id].sort());
});

test("the last member does not leave: nobody would have what it holds", async () => {
  const it = await start();
  await introduce(it, FRIEND);
  await it.member.membership.saved();
  const left = it.member.leave();
  // The other one goes while this one is leaving.
  await it.member.forget(FRIEND.id);
  await expect(left).rejects.toMatchObject({ reason: { code: "unreachable" } });
  expect([it.member.size, it.member.notWritable()]).toEqual([1, undefined]);
});

describe("stopping", () => {
  test("tells the others and ends also when nobody answers", async () => {
    const it = await start();
    await introduce(it, FRIEND);
    const stopped = it.member.stop();
    await it.timers.advance(SWIM_DEFAULTS.probeIntervalMs);
    await stopped;
    const pings = it.sent.flatMap(({ message }) => (message.kind === "ping" ? [message.from.state] : []));
    expect(pings).toContain("stopped");
    expect(it.timers.armed).toBe(0);
  });

  test("without a word ends a farewell that is under way", async () => {
    const it = await start();
    await introduce(it, FRIEND);
    it.answer = undefined;
    const stopped = it.member.stop();
    it.member.halt();
    await stopped;
    await rest();
    expect(it.timers.armed).toBe(0);
  });
});

test("who asks whether it is recorded is told as of before the clock is read that it is given", async () => {
  const it = await start();
  const { node } = it.replica;
  const tick = node.tick.bind(node);
  node.tick = async () => {
    const time = await tick();
    // It is recorded in between, so this time is too early for it.
    await introduce(it, FRIEND);
    await it.member.membership.saved();
    return time;
  };
  const hello = { kind: "hello", limits: LIMITS, knows: [], belongs: false, boundTo: [] } as const;
  expect(await it.member.serve(FRIEND.id, hello)).toMatchObject({ recorded: false });
  expect(await it.member.serve(FRIEND.id, hello)).toMatchObject({ recorded: true });
});

test("who was recorded and crashes at once writes nothing below the clocks of those who recorded it", async () => {
  const store = new MemoryStore();
  // An exchange that it begins asks for a time as well, so none is begun.
  const antiEntropy = { ...ANTI_ENTROPY_DEFAULTS, intervalMs: 3_600_000 };
  const it = await start(store, [FRIEND.address], { antiEntropy });
  const time = hlcFromMs(START_MS + MAX_DRIFT_MS - 1);
  const welcome = {
    kind: "welcome",
    limits: LIMITS,
    time,
    floor: 0,
    watermark: 0,
    recorded: true,
    newcomer: false,
    related: true,
    by: null,
  } as const;
  it.answer = (message) => {
    if (message.kind !== "hello") throw new PeerFault({ code: "unreachable" });
    return welcome;
  };
  await introduce(it, FRIEND, true);
  await it.timers.advance(SWIM_DEFAULTS.joinRetryIntervalMs);
  expect(it.member.joiningState).toEqual({ kind: "member" });
  // What a disk holds that took nothing after the batch in which it is recorded.
  const disk = new MemoryStore();
  for (const { meta } of store.batches) {
    for (const [name, value] of meta) disk.committed.meta.set(name, value);
    const state = decodeUtf8(disk.committed.meta.get("completeness") ?? new Uint8Array());
    if (state?.includes('"recorded":true') === true) break;
  }
  const again = await MemoryReplica.open({ name: "a", store: disk });
  expect(again.id).toBe(it.member.id);
  expect(await again.node.tick()).toBeGreaterThan(time);
});

test("that it is complete is told before the unit it belongs to, and by an older build not at all", async () => {
  const it = await start();
  await introduce(it, FRIEND);
  const told = await it.member.serve(FRIEND.id, { kind: "state-digest", digests: [], whole: true });
  if (told.kind !== "state-answer") throw new Error(told.kind);
  const entries = told.deltas.flatMap((delta) => (delta.node === it.member.id ? delta.entries : []));
  const keys = entries.map(({ key }) => key);
  expect(keys).toContain("unit");
  expect(entries.find(({ key }) => key === "complete")?.value).toBe(1);
  expect(keys.indexOf("complete")).toBeLessThan(keys.indexOf("unit"));
  const unit = { sequence: 5, completeThrough: 5, settledAt: 5, tableHash: "0".repeat(16), complete: false };
  for (const complete of [0, undefined]) {
    const said = [
      { key: "complete", value: complete ?? null, version: 1 },
      { key: "unit", value: formatUnit({ ...unit, sequence: complete === 0 ? 5 : 6 }), version: 2 },
    ];
    const generation = complete === 0 ? 1 : 2;
    const deltas = [{ node: FRIEND.id, generation, after: 0, entries: said }];
    await it.member.serve(FRIEND.id, { kind: "state-delta", deltas });
    expect(it.member.keeper.completeness.unitOf(FRIEND.id)?.complete).toBe(complete !== 0);
  }
});

describe("what another says of a time too far ahead", () => {
  const ahead = hlcFromMs(START_MS + MAX_DRIFT_MS + 1000);
  const unit = { sequence: 5, completeThrough: 5, settledAt: 5, tableHash: "0".repeat(16), complete: true };

  test.each<[string, string, string | number]>([
    ["a watermark", "watermark", ahead],
    ["a unit's number", "unit", formatUnit({ ...unit, sequence: ahead })],
    ["a unit's completeness", "unit", formatUnit({ ...unit, completeThrough: ahead })],
    ["a unit's settling", "unit", formatUnit({ ...unit, settledAt: ahead })],
  ])("%s in its state is counted and not taken", async (_, key, value) => {
    const it = await start();
    await introduce(it, FRIEND);
    const entries = [{ key, value, version: 1 }];
    const before = it.member.keeper.completeness.state;
    await it.member.serve(FRIEND.id, {
      kind: "state-delta",
      deltas: [{ node: FRIEND.id, generation: 1, after: 0, entries }],
    });
    expect(it.log.counts.get("hearsay_future_states_total")).toBe(1);
    const { completeness } = it.member.keeper;
    expect([completeness.state, completeness.unitOf(FRIEND.id)]).toEqual([before, undefined]);
  });

  test("a record in a rumor is refused with its message", async () => {
    const it = await start();
    await introduce(it, FRIEND);
    const versions = [{ time: ahead, node: FRIEND.id }];
    const record = {
      context: new Map([[FRIEND.id, ahead]]),
      siblings: [{ kind: "tombstone", version: { time: ahead, node: FRIEND.id } }],
    } as const;
    const rumor = { key: "k", versions, sizeBytes: 9, hops: 0, mailed: true, inline: true, record };
    const message = rumors({ rumors: [rumor] });
    await expect(it.member.serve(FRIEND.id, message)).rejects.toMatchObject({
      reason: { code: "clock_drift" },
    });
    expect(it.replica.store.get("k")).toBeUndefined();
  });
});

test("a full hot list gives up its oldest rumors, counts them and says so once an interval", async () => {
  const rumorOptions = { ...DEFAULT_RUMOR_OPTIONS, hotMaxEntries: 2 };
  const it = await start(new MemoryStore(), [], { rumors: rumorOptions });
  await introduce(it, FRIEND);
  for (const key of ["a", "b", "c", "d", "e"]) {
    await it.replica.write(key, "v");
    it.member.spread(key, 0);
  }
  const { monger } = it.member.rumors;
  expect([monger.counters.dropped, it.replica.contents().size]).toEqual([3, 5]);
  expect(it.log.of("rumors_dropped")).toEqual([{ code: "hot_list_full", dropped: 1, count: 1 }]);
});

describe("a node whose times most peers refuse", () => {
  test("takes no client writes until they accept one", async () => {
    const it = await start();
    await introduce(it, FRIEND);
    it.answer = () => {
      throw new PeerFault({ code: "refused", reason: "clock_drift" });
    };
    await expect(it.member.exchange(FRIEND)).rejects.toThrow(PeerFault);
    expect(it.member.notWritable()).toEqual({ code: "clock_skew" });
    it.answer = (message) => {
      if (message.kind !== "exchange-start") throw new PeerFault({ code: "unreachable" });
      const offer = { time: 1, vector: new Map<NodeId, number>() };
      return { kind: "exchange-equal", standing, offer, staying: true, wallMs: null };
    };
    await it.member.exchange(FRIEND);
    expect(it.member.notWritable()).toBeUndefined();
  });
});

test("a writer does not wait for a member that is retired meanwhile", async () => {
  const it = await start();
  for (const other of [FRIEND, STRANGER]) await introduce(it, other);
  it.answer = (message, to) => {
    if (message.kind === "holds") return { kind: "holds-reply", holds: to.id === FRIEND.id };
    throw new PeerFault({ code: "unreachable" });
  };
  const told: number[] = [];
  const held = it.member.acknowledged("k", { time: 5, node: it.member.id }, 3, 60_000);
  held.then((count) => told.push(count)).catch(() => undefined);
  await it.timers.advance(500);
  expect(told).toEqual([]);
  await it.member.serve(FRIEND.id, rumors({ updates: [{ kind: "retired", id: STRANGER.id }] }));
  expect(await held).toBe(2);
});

test("a member that is halted while it is answered says nothing of what that has shown, and spreads nothing", async () => {
  const it = await start();
  await introduce(it, FRIEND);
  it.answer = () => {
    it.member.halt();
    const offer = { time: 1, vector: new Map() };
    return { kind: "exchange-equal", standing, offer, staying: true, wallMs: null };
  };
  const sequence = (): unknown => it.member.keeper.completeness.unitOf(it.member.id)?.sequence;
  const before = sequence();
  await it.member.exchange(FRIEND);
  await rest();
  expect(sequence()).toBe(before);
  it.replica.store.peek = () => {
    throw new Error("the store is closed");
  };
  it.member.spread("k", 0);
});

test("a rumor of what is covered here is known", async () => {
  const it = await start();
  await introduce(it, FRIEND);
  await it.replica.write("k", "first");
  const { siblings: first = [] } = it.replica.store.get("k") ?? {};
  await it.replica.write("k", "second");
  const versions = first.map(({ version }) => version);
  const rumor = { key: "k", versions, sizeBytes: 10, hops: 1, mailed: false, inline: false, record: null };
  const reply = await it.member.serve(FRIEND.id, rumors({ rumors: [rumor] }));
  expect(reply).toMatchObject({ kind: "rumors-reply", answers: [{ key: "k", verdict: "known" }] });
});
