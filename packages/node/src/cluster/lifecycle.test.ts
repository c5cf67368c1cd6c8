/** How a member comes, goes and lets others come and go, where another would do something else meanwhile. */
import {
  decodeUtf8,
  fromHex,
  type HelloRequest,
  type KeyRecord,
  type PeerReply,
  type PeerRequest,
} from "@hearsay/core";
import { describe, expect, test } from "vitest";
import { MemoryReplica } from "../exchange/memory-replica.contract.ts";
import { MemoryStore } from "../memory-store.contract.ts";
import { PeerFault } from "../peer-fault.ts";
import {
  FRIEND,
  introduce,
  LIMITS,
  type Running,
  rumors,
  STRANGER,
  standing,
  start,
} from "./lone-member.contract.ts";
import { rest } from "./manual-timers.contract.ts";

const HELLO: PeerRequest = { kind: "hello", limits: LIMITS, knows: [], belongs: false, boundTo: [] };
const EQUAL: PeerReply = {
  kind: "exchange-equal",
  standing,
  offer: { time: 5, vector: new Map() },
  staying: true,
  wallMs: null,
};

/** The friend finds both sides equal, after what happens meanwhile; it answers nothing else. */
function friendIsEqual(it: Running, meanwhile: () => void = () => undefined): void {
  it.answer = ({ kind }) => {
    if (kind !== "exchange-start") throw new PeerFault({ code: "unreachable" });
    meanwhile();
    return EQUAL;
  };
}

async function asksWhoHoldsTheSame({ member, replica }: Running): Promise<PeerReply> {
  return await member.serve(FRIEND.id, {
    kind: "exchange-start",
    session: 1,
    tableHash: member.membership.counted().tableHash,
    standing,
    offer: { time: 1, vector: new Map() },
    root: fromHex(await replica.digests.root()),
  });
}

const exchanges = ({ sent }: Running): number =>
  sent.filter(({ message }) => message.kind === "exchange-start").length;

test("who leaves may be relied on before, and not while it hands over", async () => {
  const it = await start();
  await introduce(it, FRIEND);
  expect(await asksWhoHoldsTheSame(it)).toMatchObject({ kind: "exchange-equal", staying: true });
  const asked: Promise<PeerReply>[] = [];
  friendIsEqual(it, () => asked.push(asksWhoHoldsTheSame(it)));
  await it.member.leave();
  expect(await asked[0]).toMatchObject({ kind: "exchange-equal", staying: false });
});

test("who leaves takes what it is given and does not vouch for it, until it stays after all", async () => {
  const it = await start();
  await introduce(it, FRIEND);
  const version = { time: await it.replica.node.tick(), node: FRIEND.id };
  const record: KeyRecord = {
    context: new Map([[version.node, version.time]]),
    siblings: [{ kind: "value", version, bytes: new Uint8Array(1), contentType: "", expiresAtMs: null }],
  };
  const facts = { versions: [version], sizeBytes: 1, hops: 1, mailed: true, inline: true };
  const said: unknown[] = [];
  const give = async (key: string): Promise<void> => {
    const reply = await it.member.serve(FRIEND.id, rumors({ rumors: [{ key, record, ...facts }] }));
    if (reply.kind !== "rumors-reply") throw new Error(reply.kind);
    const asked = it.member.serve(FRIEND.id, { kind: "holds", key, version });
    const holds = await asked.catch((error: unknown) => (error instanceof PeerFault ? error.reason : error));
    said.push(reply.answers[0]?.verdict, holds);
  };
  it.answer = async ({ kind }) => {
    if (kind === "exchange-start") await give("while it leaves");
    throw new PeerFault({ code: "unreachable" });
  };
  await expect(it.member.leave()).rejects.toBeInstanceOf(PeerFault);
  await give("while it leaves");
  expect(said).toEqual(["refused", { code: "busy" }, "known", { kind: "holds-reply", holds: true }]);
});

test("an exchange acknowledges what its writers wait for when the peer stays, and not when it leaves", async () => {
  const it = await start();
  await introduce(it, FRIEND);
  await it.replica.write("k", "v");
  const version = { time: it.replica.node.lastWrite, node: it.member.id };
  void it.member.acknowledged("k", version, 2, 60_000);
  for (const staying of [false, true]) {
    it.answer = ({ kind }) => {
      if (kind !== "exchange-start") throw new PeerFault({ code: "unreachable" });
      return { ...EQUAL, staying };
    };
    expect(it.member.acksPending).toBe(1);
    await it.member.exchange(FRIEND);
  }
  expect(it.member.acksPending).toBe(0);
});

test("who is joining may not be relied on", async () => {
  const it = await start(new MemoryStore(), ["seed:1"]);
  await introduce(it, FRIEND);
  expect(await asksWhoHoldsTheSame(it)).toMatchObject({ kind: "exchange-equal", staying: false });
});

test.each([
  { when: "while it hands over", before: 2 },
  { when: "when it has handed over", before: 3 },
])("who hears of a retirement $when does it once more before it leaves", async ({ before }) => {
  const it = await start();
  await introduce(it, FRIEND);
  await introduce(it, { ...STRANGER, state: "stopped" });
  friendIsEqual(it);
  const { digests } = it.replica;
  const root = digests.root.bind(digests);
  let roots = 0;
  digests.root = async () => {
    roots += 1;
    // The first two are those of the exchange.
    if (roots === before) {
      await it.member.forget(STRANGER.id);
      // Until it is settled.
      await rest();
    }
    return await root();
  };
  await it.member.leave();
  expect(exchanges(it)).toBe(2);
});

test.each([
  { company: "nobody", was: "alone", kind: "not_let_in" },
  { company: "strangers", was: "let in before and crashed", kind: "not_let_in" },
  { company: "strangers", was: "let in before and crashed, and is known there,", kind: "joining" },
] as const)("who was $was, and brings what is older than the floor, is $kind", async ({ company, kind }) => {
  const store = new MemoryStore();
  const before = await MemoryReplica.open({ name: "a", store, company });
  await before.write("k", "v");
  if (company === "strangers") await before.keeper.letIn(["seed:1"], null);
  await before.keeper.save();
  const floor = before.node.lastWrite;
  const it = await start(store, ["seed:1"]);
  const where = { time: floor, floor, watermark: floor };
  const who = { recorded: false, newcomer: false, related: kind === "joining", by: null };
  it.answer = () => ({ kind: "welcome", limits: LIMITS, ...where, ...who });
  await it.timers.advance(100);
  expect(it.member.joiningState.kind).toBe(kind);
  expect(it.member.standing.floor).toBe(kind === "joining" ? floor : 0);
  expect(it.member.keeper.completeness.watermark).toBe(kind === "joining" ? floor : 0);
});

test("a newcomer takes no table before it is durable that its sender may record it, and none of another newcomer", async () => {
  const store = new MemoryStore();
  const it = await start(store, ["seed:1"]);
  const table = {
    from: FRIEND,
    to: "",
    members: [FRIEND],
    retired: [],
    belongs: true,
    boundTo: [],
  } as const;
  const push = (belongs: boolean): Promise<PeerReply> =>
    it.member.serve(FRIEND.id, { kind: "push-pull", ...table, belongs });
  await expect(push(false)).rejects.toMatchObject({ reason: { code: "busy" } });
  store.failNext = true;
  await expect(push(true)).rejects.toMatchObject({ reason: { code: "busy" } });
  expect([it.member.keeper.letInAt, it.member.membership.stateOf(FRIEND.id)]).toEqual([[], undefined]);
  expect(await push(true)).toMatchObject({ kind: "state" });
  const stored = decodeUtf8(store.committed.meta.get("completeness") ?? new Uint8Array());
  expect(stored).toContain(`"letInAt":["${FRIEND.address}"],"letInBy":"${FRIEND.id}"`);
  expect(await push(false)).toMatchObject({ kind: "state" });
});

test("a newcomer turns nobody away, of whatever cluster, and says that it is one", async () => {
  const it = await start(new MemoryStore(), ["seed:1"]);
  const hello = {
    kind: "hello",
    limits: LIMITS,
    knows: [STRANGER.id],
    belongs: true,
    boundTo: [],
  } as const;
  expect(await it.member.serve(STRANGER.id, hello)).toMatchObject({ newcomer: true, related: false });
  const member = await start();
  await expect(member.member.serve(STRANGER.id, hello)).rejects.toMatchObject({
    reason: { code: "other_cluster" },
  });
});

describe("who was let in by a member, and has no table yet,", () => {
  const hello = { kind: "hello", limits: LIMITS, knows: [STRANGER.id], belongs: false } as const;

  test("is turned away by another cluster, and not where that member is known", async () => {
    const { member } = await start();
    const ask = (...boundTo: string[]): Promise<PeerReply> =>
      member.serve(STRANGER.id, { ...hello, boundTo });
    await expect(ask(FRIEND.id)).rejects.toMatchObject({ reason: { code: "other_cluster" } });
    const welcome = { by: member.id, related: false, newcomer: false };
    expect(await ask()).toMatchObject(welcome);
    // That what it has is from this cluster, its introducer does not say.
    expect(await ask(member.id)).toMatchObject(welcome);
  });

  test("is no newcomer with which others may begin a cluster, but to those of its own", async () => {
    const it = await start(new MemoryStore(), ["seed:1"]);
    const { member } = it;
    await member.keeper.letIn(["seed:1"], FRIEND.id);
    const ask = (changes: Partial<HelloRequest>): Promise<PeerReply> =>
      member.serve(STRANGER.id, { ...hello, boundTo: [], ...changes });
    await expect(ask({})).rejects.toMatchObject({ reason: { code: "busy" } });
    for (const changes of [{ boundTo: [FRIEND.id] }, { knows: [FRIEND.id] }, { knows: [member.id] }]) {
      expect(await ask(changes)).toMatchObject({ newcomer: true });
    }
    await member.greet("x:1").catch(() => undefined);
    expect(it.sent.at(-1)?.message).toMatchObject({ kind: "hello", boundTo: [FRIEND.id] });
  });
});

test("who begins a cluster with newcomers turns those of another away, and not those that are of none yet or know one of its own", async () => {
  const it = await start(new MemoryStore(), ["seed:1"]);
  const { member } = it;
  await member.keeper.letIn(["seed:1"], null, [FRIEND.id]);
  const hello = { kind: "hello", limits: LIMITS, knows: [STRANGER.id] } as const;
  const ask = (changes: Pick<HelloRequest, "belongs" | "boundTo">): Promise<PeerReply> =>
    member.serve(STRANGER.id, { ...hello, ...changes });
  const another = { belongs: false, boundTo: ["x~0123456789"] };
  for (const changes of [{ belongs: true, boundTo: [] }, another]) {
    await expect(ask(changes)).rejects.toMatchObject({ reason: { code: "other_cluster" } });
  }
  for (const boundTo of [[], [FRIEND.id], [member.id]]) {
    expect(await ask({ belongs: false, boundTo })).toMatchObject({ newcomer: true, recorded: false });
  }
});

test("a newcomer that was told of itself alone takes the table of another one that has found it, once that is durable", async () => {
  const store = new MemoryStore();
  const it = await start(store, ["seed:1"]);
  const { member } = it;
  const hello = { kind: "hello", limits: LIMITS, knows: [FRIEND.id, member.id], belongs: false } as const;
  const push = (): Promise<PeerReply> =>
    member.serve(FRIEND.id, {
      kind: "push-pull",
      from: FRIEND,
      to: "",
      members: [FRIEND],
      retired: [],
      belongs: false,
      boundTo: [member.id],
    });
  await expect(push()).rejects.toMatchObject({ reason: { code: "busy" } });
  const where = { time: 1, floor: 0, watermark: 0 };
  const who = { recorded: false, newcomer: true, related: false, by: member.id };
  it.answer = () => ({ kind: "welcome", limits: LIMITS, ...where, ...who });
  await it.timers.advance(100);
  expect(member.keeper.mayBeRecorded).toBe(false);
  store.failNext = true;
  await expect(push()).rejects.toMatchObject({ reason: { code: "busy" } });
  expect(member.membership.stateOf(FRIEND.id)).toBeUndefined();
  expect(await push()).toMatchObject({ kind: "state" });
  const stored = decodeUtf8(store.committed.meta.get("completeness") ?? new Uint8Array());
  expect(stored).toContain(`"letInAt":["${FRIEND.address}"],"letInBy":null,"founders":["${FRIEND.id}"]`);
  await member.membership.saved();
  for (const boundTo of [[], [member.id]]) {
    expect(await member.serve(FRIEND.id, { ...hello, boundTo })).toMatchObject({ recorded: true });
  }
});

test("who begins a cluster with newcomers counts for none that was told of fewer; of how many, an older build does not say", async () => {
  const it = await start(new MemoryStore(), [FRIEND.address, STRANGER.address]);
  const { member } = it;
  const found = new Map([
    [FRIEND.address, FRIEND.id],
    [STRANGER.address, STRANGER.id],
  ]);
  const where = { time: 1, floor: 0, watermark: 0 };
  const who = { recorded: false, newcomer: true, related: false };
  it.answer = (_, to) => {
    const by = found.get(to.address) ?? null;
    return { kind: "welcome", limits: LIMITS, ...where, ...who, by };
  };
  await it.timers.advance(100);
  expect(member.keeper.founders).toEqual([FRIEND.id, STRANGER.id]);
  await introduce(it, FRIEND);
  await member.membership.saved();
  const hello = { kind: "hello", limits: LIMITS, knows: [FRIEND.id, member.id], belongs: false } as const;
  const told: [readonly string[], boolean][] = [
    [[], true],
    [[member.id], false],
    [[member.id, STRANGER.id], true],
  ];
  for (const [boundTo, recorded] of told) {
    expect(await member.serve(FRIEND.id, { ...hello, boundTo })).toMatchObject({ recorded });
  }
});

test("a member that greets itself, as at an address of many, finds no member there", async () => {
  const { member } = await start();
  const hello = { kind: "hello", limits: LIMITS, knows: [], belongs: false, boundTo: [] } as const;
  expect(await member.serve(member.id, hello)).toMatchObject({ newcomer: true });
  expect(await member.serve(FRIEND.id, hello)).toMatchObject({ newcomer: false });
});

test("who stops has on its disk what it had confirmed last", async () => {
  const store = new MemoryStore();
  const it = await start(store);
  await introduce(it, FRIEND);
  const { completeness } = it.member.keeper;
  const offer = { time: 77, vector: new Map() };
  completeness.exchanged(FRIEND.id, offer, { floor: 0, complete: true }, completeness.begin());
  await it.member.stop();
  expect(decodeUtf8(store.committed.meta.get("completeness") ?? new Uint8Array())).toContain(
    JSON.stringify([FRIEND.id, 77]),
  );
});

test("who is joining may not forget anybody", async () => {
  const it = await start(new MemoryStore(), ["seed:1"]);
  await introduce(it, FRIEND);
  await expect(it.member.forget(FRIEND.id)).rejects.toMatchObject({ reason: { code: "unknown_member" } });
  expect(it.member.membership.isRetired(FRIEND.id)).toBe(false);
});

test("who is forgotten while the disk is full is not said to be, for after a crash it would be back", async () => {
  const store = new MemoryStore();
  const it = await start(store);
  await introduce(it, FRIEND);
  await it.member.membership.saved();
  expect(it.member.membership.hasRecorded(FRIEND.id)).toBe(true);
  store.isFull = true;
  await expect(it.member.forget(FRIEND.id)).rejects.toMatchObject({ reason: { code: "busy" } });
});

test("who asks whether it is recorded is told so when it is on disk", async () => {
  const store = new MemoryStore();
  const it = await start(store);
  await it.replica.node.tick();
  store.isFull = true;
  await introduce(it, FRIEND);
  await it.member.membership.saved();
  expect(await it.member.serve(FRIEND.id, HELLO)).toMatchObject({ recorded: false });
  store.isFull = false;
  await it.timers.advance(2_000);
  expect(await it.member.serve(FRIEND.id, HELLO)).toMatchObject({ recorded: true });
});

test("who leaves while its own disk is full has not left until that takes it", async () => {
  const store = new MemoryStore();
  const it = await start(store);
  await introduce(it, FRIEND);
  await it.member.membership.saved();
  friendIsEqual(it, () => {
    store.isFull = true;
  });
  await expect(it.member.leave()).rejects.toMatchObject({ reason: { code: "busy" } });
  expect(it.member.notWritable()).toEqual({ code: "retired" });
  store.isFull = false;
  it.answer = undefined;
  await it.timers.advance(2_000);
  await it.member.leave();
});

describe("who was forgotten", () => {
  const isToldSo = ({ member }: Running): Promise<PeerReply> =>
    member.serve(FRIEND.id, rumors({ updates: [{ kind: "retired", id: member.id }] }));
  const asksNobody = async ({ sent, timers }: Running): Promise<void> => {
    const before = sent.length;
    await timers.advance(60_000);
    expect(sent.length).toBe(before);
  };

  test("does not leave as if somebody had taken over what it holds", async () => {
    const it = await start();
    await introduce(it, FRIEND);
    await isToldSo(it);
    friendIsEqual(it);
    await expect(it.member.leave()).rejects.toMatchObject({ reason: { code: "retired" } });
    expect([it.retired, exchanges(it)]).toEqual([true, 0]);
  });

  test.each([
    { how: "fails", answer: (): PeerReply => ({ kind: "exchange-void" }) },
    { how: "succeeds", answer: (): PeerReply => EQUAL },
  ])("while it hands over, which $how then, has not left, and falls silent", async ({ answer }) => {
    const it = await start();
    await introduce(it, FRIEND);
    it.answer = async () => {
      await isToldSo(it);
      return answer();
    };
    await expect(it.member.leave()).rejects.toMatchObject({ reason: { code: "retired" } });
    expect(it.retired).toBe(true);
    expect(it.member.notWritable()).toEqual({ code: "retired" });
    await asksNobody(it);
  });

  test("while it was joining, asks nobody any more", async () => {
    const it = await start(new MemoryStore(), ["seed:1"]);
    await introduce(it, FRIEND);
    await it.timers.advance(3_000);
    await isToldSo(it);
    expect(it.retired).toBe(true);
    await asksNobody(it);
  });
});
