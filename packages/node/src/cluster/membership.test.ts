import {
  decodeUtf8,
  encodeUtf8,
  fromHex,
  type Member,
  type Peer,
  type PeerReply,
  type PeerRequest,
  SeededRandom,
  SWIM_DEFAULTS,
  type SwimReply,
} from "@hearsay/core";
import { describe, expect, test } from "vitest";
import { START_MS } from "../exchange/memory-replica.contract.ts";
import { IdentityError } from "../identity.ts";
import { MemoryStore } from "../memory-store.contract.ts";
import { PeerFault } from "../peer-fault.ts";
import { REPEAT_LOG_INTERVAL_MS, RepeatLog } from "../repeat-log.ts";
import { EventLog } from "./event-log.contract.ts";
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
import { ManualTimers } from "./manual-timers.contract.ts";
import { Membership } from "./membership.ts";
import { CONDITION_DELAY_MS } from "./stored-table.ts";

test("ids of the directory from before are retired from the first moment", async () => {
  const store = new MemoryStore();
  const first = await start(store);
  await introduce(first, FRIEND);
  await first.member.membership.saved();
  first.member.halt();
  const identity = JSON.parse(decodeUtf8(store.committed.meta.get("identity") ?? new Uint8Array()) ?? "");
  const anew = { ...identity, id: "a~9999999999", retired: [first.member.id] };
  await store.meta.put("identity", encodeUtf8(JSON.stringify(anew)));
  const { membership, id } = (await start(store)).member;
  expect([id, membership.isRetired(first.member.id)]).toEqual(["a~9999999999", true]);
  expect(membership.counted().ids).toEqual([id, FRIEND.id]);
});

describe("membership changes", () => {
  test("ride on rumors, both ways", async () => {
    const it = await start();
    await introduce(it, FRIEND);
    const news = memberOf("c");
    const reply = await it.member.serve(FRIEND.id, rumors({ updates: [{ kind: "member", member: news }] }));
    expect(it.member.membership.stateOf(news.id)).toBe("alive");
    expect(reply).toMatchObject({ kind: "rumors-reply" });
    expect(idsIn(reply)).toContain(news.id);
    await it.member.serve(FRIEND.id, rumors({ updates: [{ kind: "retired", id: news.id }] }));
    expect(it.member.membership.isRetired(news.id)).toBe(true);
  });

  test("ride on the rumors it sends, and on what comes back", async () => {
    const it = await start();
    await introduce(it, FRIEND);
    const news = memberOf("c");
    it.answer = (message) => {
      if (message.kind !== "rumors") throw new PeerFault({ code: "unreachable" });
      const updates = [{ kind: "member", member: news }] as const;
      return { kind: "rumors-reply", standing, turn: 1, answers: [], rumors: [], updates };
    };
    await it.replica.write("k", "v");
    it.member.spread("k", 0);
    await it.timers.advance(10);
    const sent = it.sent.find(({ message }) => message.kind === "rumors")?.message;
    expect(sent === undefined ? [] : idsIn(sent)).toContain(FRIEND.id);
    expect(it.member.membership.stateOf(news.id)).toBe("alive");
  });

  test("of a node that turns out to be retired are not read", async () => {
    const it = await start();
    await introduce(it, FRIEND);
    await it.member.forget(FRIEND.id);
    const updates = [{ kind: "member", member: memberOf("c") }] as const;
    await expect(it.member.serve(FRIEND.id, rumors({ updates }))).rejects.toThrow(PeerFault);
    expect(it.member.membership.stateOf("c~0123456789")).toBeUndefined();
  });
});

test("the rest of the node hears of live peers only when one comes, goes or moves", () => {
  let heard = 0;
  const timers = new ManualTimers();
  const log = new EventLog();
  const nothing = (): undefined => undefined;
  const membership = new Membership(
    {
      self: memberOf("a"),
      retired: [],
      config: SWIM_DEFAULTS,
      hash: (text) => text,
      generation: START_MS,
      belongs: () => false,
      boundTo: () => [],
    },
    {
      meta: new MemoryStore().meta,
      transport: { request: () => Promise.reject(new PeerFault({ code: "unreachable" })) },
      timers,
      random: new SeededRandom(1),
      log,
      troubles: new RepeatLog(log, REPEAT_LOG_INTERVAL_MS, () => timers.monotonicMs()),
    },
    {
      peersChanged: () => {
        heard += 1;
      },
      retirementAdopted: nothing,
      selfRetired: nothing,
      nameTaken: nothing,
    },
  );
  const tell = (changes: Partial<Member>): number => {
    membership.updatesCame([{ kind: "member", member: { ...FRIEND, ...changes } }], STRANGER.id);
    return heard;
  };
  expect(tell({})).toBe(1);
  expect(tell({ state: "suspect" })).toBe(1);
  expect(tell({ generation: START_MS + 1 })).toBe(1);
  expect(tell({ generation: START_MS + 1, state: "dead" })).toBe(2);
  expect(tell({ generation: START_MS + 1, state: "stopped" })).toBe(2);
  expect(tell({ generation: START_MS + 2 })).toBe(3);
  expect(tell({ generation: START_MS + 3, address: "elsewhere:1" })).toBe(4);
  membership.stop();
});

function idsIn(message: PeerRequest | PeerReply): string[] {
  if (!("updates" in message)) return [];
  return message.updates.map((update) => (update.kind === "member" ? update.member.id : update.id));
}

describe("a refusal in a reply", () => {
  test("of this node's name is kept with the holder's address, and stops client writes", async () => {
    const it = await start(new MemoryStore(), ["b:1"]);
    const holder: Peer = { id: "a~9999999999", address: "first:1" };
    const refused: SwimReply = { kind: "refused", code: "name_taken", holder };
    it.answer = (message) =>
      message.kind === "hello"
        ? {
            kind: "welcome",
            limits: LIMITS,
            time: 1,
            floor: 0,
            watermark: 0,
            recorded: false,
            newcomer: false,
            related: false,
            by: null,
          }
        : refused;
    await it.timers.advance(2000);
    // It tries again and again, and says so once an interval.
    await it.timers.advance(7000);
    expect(it.sent.filter(({ message }) => message.kind === "push-pull").length).toBeGreaterThan(2);
    expect(it.log.of("peer_refused")).toEqual([
      { by: "b:1", code: "name_taken", holder: "first:1", count: 1 },
    ]);
    expect(it.member.notWritable()).toEqual({ code: "name_taken", by: "first:1" });
  });

  test("of a retired node ends it, however it comes", async () => {
    for (const how of ["reply", "failure"]) {
      const it = await start();
      await introduce(it, FRIEND);
      it.answer = () => {
        if (how === "reply") return { kind: "refused", code: "retired" };
        throw new PeerFault({ code: "refused", reason: "retired" });
      };
      await it.timers.advance(2000);
      expect([it.retired, it.member.notWritable()]).toEqual([true, { code: "retired" }]);
      expect(it.log.lines.find(({ event }) => event === "self_retired")?.level).toBe("error");
      await expect(
        it.member.serve(FRIEND.id, {
          kind: "hello",
          limits: LIMITS,
          knows: [],
          belongs: false,
          boundTo: [],
        }),
      ).rejects.toMatchObject({
        reason: { code: "busy" },
      });
    }
  });
});

/** What a member that stays answers in an exchange that finds nothing to hand over. */
function takesOver(message: PeerRequest): PeerReply {
  if (message.kind !== "exchange-start") throw new PeerFault({ code: "unreachable" });
  const offer = { time: 1, vector: new Map<string, number>() };
  return { kind: "exchange-equal", standing, offer, staying: true, wallMs: null };
}

test("leaving is what was asked for, and no error", async () => {
  const it = await start();
  await introduce(it, FRIEND);
  it.answer = takesOver;
  const left = it.member.leave();
  await it.timers.advance(2000);
  await left;
  expect(it.log.lines.find(({ event }) => event === "self_retired")?.level).toBe("info");
  expect(it.log.lines.filter(({ level }) => level === "error")).toEqual([]);
  expect(it.retired).toBe(false);
});

test("leaving while nobody else is there to be told is told the operator", async () => {
  const it = await start();
  await introduce(it, FRIEND);
  it.answer = async (message) => {
    await introduce(it, { ...FRIEND, state: "stopped" });
    return takesOver(message);
  };
  const left = it.member.leave();
  await it.timers.advance(2000);
  await left;
  expect(it.log.of("leaving_unheard")).toEqual([{ told: 0 }]);
});

test("a node whose disk does not take that it has left says so, and comes back as no member once it has", async () => {
  const store = new MemoryStore();
  const it = await start(store);
  await introduce(it, FRIEND);
  await it.member.membership.saved();
  it.answer = takesOver;
  const { put } = store.meta;
  let isFull = true;
  store.meta.put = async (name, value) => {
    if (name === "members" && isFull) throw new Error("disk full");
    await put(name, value);
  };
  const left = it.member.leave();
  left.catch(() => undefined);
  await it.timers.advance(2000);
  await expect(left).rejects.toMatchObject({ reason: { code: "busy" } });
  expect(it.member.notWritable()).toEqual({ code: "retired" });
  isFull = false;
  await it.timers.advance(2000);
  await it.member.leave();
  const second = await start(store);
  expect(second.retired).toBe(true);
  expect(second.member.notWritable()).toEqual({ code: "retired" });
});

test.each([
  ["a founder", [], true],
  ["a joiner", ["b:1"], false],
] as const)("to whom a leaving node hands over: %s", async (_, seeds, staying) => {
  const it = await start(new MemoryStore(), seeds);
  await introduce(it, FRIEND);
  const root = fromHex(await it.replica.digests.root());
  const { tableHash } = it.member.membership.counted();
  const offer = { time: 1, vector: new Map() };
  const standing = { floor: 0, complete: true };
  const request = { kind: "exchange-start", session: 1, tableHash, standing, offer, root } as const;
  expect(await it.member.serve(FRIEND.id, request)).toMatchObject({ kind: "exchange-equal", staying });
});

test("a node that is yet to be recorded by a majority may not forget others", async () => {
  const it = await start(new MemoryStore(), ["b:1"]);
  it.answer = undefined;
  await introduce(it, FRIEND);
  await expect(it.member.forget(FRIEND.id)).rejects.toMatchObject({ reason: { code: "unknown_member" } });
  expect(it.member.membership.isRetired(FRIEND.id)).toBe(false);
});

describe("the member table", () => {
  test("survives a restart, with its retirements", async () => {
    const store = new MemoryStore();
    const first = await start(store);
    await introduce(first, FRIEND);
    await introduce(first, STRANGER);
    await first.member.forget(STRANGER.id);
    await first.member.membership.saved();
    first.member.halt();
    const second = await start(store);
    expect(second.member.membership.wasMember).toBe(true);
    expect(second.member.membership.counted()).toEqual(first.member.membership.counted());
    expect(second.member.membership.isRetired(STRANGER.id)).toBe(true);
    expect(second.member.membership.self.generation).toBeGreaterThanOrEqual(START_MS);
  });

  test("says that an id is recorded only once it is on disk", async () => {
    const it = await start();
    const answered = introduce(it, FRIEND);
    expect(it.member.membership.hasRecorded(FRIEND.id)).toBe(false);
    await answered;
    await it.member.membership.saved();
    expect(it.member.membership.hasRecorded(FRIEND.id)).toBe(true);
  });

  test("is saved at once for who is there and where, and after a while for how they are", async () => {
    const store = new MemoryStore();
    const it = await start(store);
    const saves = (): number => store.batches.filter(({ meta }) => meta.has("members")).length;
    const tell = async (changes: Partial<Member>): Promise<void> => {
      const updates = [{ kind: "member", member: { ...FRIEND, ...changes } }] as const;
      await it.member.serve(FRIEND.id, rumors({ updates }));
      await it.member.membership.saved();
    };
    await introduce(it, FRIEND);
    await it.member.membership.saved();
    const before = saves();
    await tell({ state: "suspect" });
    await tell({ generation: FRIEND.generation + 1 });
    expect(it.member.membership.stateOf(FRIEND.id)).toBe("alive");
    expect(saves()).toBe(before);
    await tell({ generation: FRIEND.generation + 2, address: "elsewhere:1" });
    expect(saves()).toBe(before + 1);
    await tell({ generation: FRIEND.generation + 3 });
    it.answer = undefined;
    await it.timers.advance(CONDITION_DELAY_MS);
    expect(saves()).toBeGreaterThan(before + 1);
  });

  test("is saved once for all ids that one message retires, and before their retirement is settled", async () => {
    const store = new MemoryStore();
    const it = await start(store);
    await introduce(it, FRIEND);
    await it.member.membership.saved();
    const put: string[] = [];
    const { meta } = store;
    const { put: putMeta } = meta;
    meta.put = (name, value) => {
      put.push(name);
      return putMeta(name, value);
    };
    const ids = Array.from({ length: 256 }, (_, i) => `x~${String(i).padStart(10, "0")}`);
    await it.member.serve(FRIEND.id, {
      kind: "retired-page",
      from: FRIEND,
      to: it.member.id,
      after: "",
      ids,
    });
    expect(ids.every((id) => it.member.membership.isRetired(id))).toBe(true);
    await it.timers.advance(2000);
    expect(put.filter((name) => name === "members")).toHaveLength(1);
    expect(put.slice(0, 2)).toEqual(["members", "completeness"]);
  });

  test("is saved again, without another change, until the disk has taken it", async () => {
    const store = new MemoryStore();
    const it = await start(store);
    store.isFull = true;
    await introduce(it, FRIEND);
    await it.member.membership.saved();
    expect(it.log.of("members_not_saved")).toHaveLength(1);
    await it.timers.advance(1000);
    expect(it.member.membership.hasRecorded(FRIEND.id)).toBe(false);
    store.isFull = false;
    await it.timers.advance(1000);
    expect(it.member.membership.hasRecorded(FRIEND.id)).toBe(true);
  });

  test.each([
    "",
    "null",
    "{",
    '{"members":[]}',
    '{"members":[{"id":"b~0123456789"}],"retired":[]}',
    '{"members":[],"retired":["b"]}',
    '{"members":[],"retired":[7]}',
  ])(
    "that cannot be read stops the start, for a member that is not counted is passed over: %s",
    async (text) => {
      const store = new MemoryStore();
      await store.meta.put("members", encodeUtf8(text));
      const fault = await start(store).catch((error: unknown) => error);
      expect(fault).toBeInstanceOf(IdentityError);
      expect(fault).toHaveProperty("fault.code", "membership_unreadable");
    },
  );
});
