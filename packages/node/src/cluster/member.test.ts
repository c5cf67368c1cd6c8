/** One member of a cluster, of which the others are made up: whom it serves, and what it keeps of the table. */
import {
  ANTI_ENTROPY_DEFAULTS,
  DEFAULT_RUMOR_OPTIONS,
  encodeUtf8,
  hlcFromMs,
  type LoadedRumorRequest,
  type Member,
  type NodeId,
  type Peer,
  type PeerReply,
  type PeerRequest,
  SeededRandom,
  SWIM_DEFAULTS,
  type SwimReply,
} from "@hearsay/core";
import { afterEach, describe, expect, test } from "vitest";
import { digitsOf, MAX_DRIFT_MS, MemoryReplica, START_MS } from "../exchange/memory-replica.contract.ts";
import { EXCHANGE_LIMITS } from "../exchange/session.ts";
import { IdentityError } from "../identity.ts";
import { MemoryStore } from "../memory-store.contract.ts";
import { PeerFault } from "../peer-fault.ts";
import { EventLog } from "./event-log.contract.ts";
import { ManualTimers, rest } from "./manual-timers.contract.ts";
import { ClusterMember, type MemberConfig } from "./member.ts";
import { formatUnit } from "./unit-text.ts";

const FRIEND = memberOf("b");
const STRANGER = memberOf("x");
const LIMITS = {
  maxValueBytes: 1024,
  maxSiblings: 32,
  maxMessageBytes: 65_536,
  tombstoneRetentionMs: 1000,
  digestKeyId: "0".repeat(16),
};

function memberOf(name: string, changes: Partial<Member> = {}): Member {
  return {
    id: `${name}~0123456789`,
    address: `${name}:1`,
    generation: START_MS,
    state: "alive",
    zone: "",
    protocol: { min: 1, max: 1 },
    build: "",
    ...changes,
  };
}

interface Running {
  readonly member: ClusterMember;
  readonly replica: MemoryReplica;
  readonly timers: ManualTimers;
  readonly log: EventLog;
  readonly sent: { readonly to: Peer; readonly message: PeerRequest }[];
  /** What the others answer; they are away while it is not set. */
  answer: ((message: PeerRequest, to: Peer) => PeerReply) | undefined;
  retired: boolean;
}

const running: Running[] = [];
afterEach(() => {
  for (const { member } of running.splice(0)) member.halt();
});

async function start(
  store: MemoryStore = new MemoryStore(),
  seeds: readonly string[] = [],
): Promise<Running> {
  const replica = await MemoryReplica.open({ name: "a", store });
  const timers = new ManualTimers();
  const log = new EventLog();
  const sent: Running["sent"] = [];
  const config: MemberConfig = {
    address: "a:1",
    zone: "",
    build: "test",
    protocol: { min: 1, max: 1 },
    seeds,
    incarnation: "same",
    swim: SWIM_DEFAULTS,
    rumors: DEFAULT_RUMOR_OPTIONS,
    antiEntropy: ANTI_ENTROPY_DEFAULTS,
    exchange: EXCHANGE_LIMITS,
    tombstoneRetentionMs: 1000,
    stateIntervalMs: 1000,
    maxPendingAcks: 2,
    limits: LIMITS,
    hash: (text) => digitsOf(text, 6, 16),
  };
  const member = new ClusterMember(
    config,
    {
      node: replica.node,
      store,
      digests: replica.digests,
      graveyard: replica.graveyard,
      facts: { flush: async () => undefined, stats: () => ({ records: 0, bytes: 0 }) },
      clock: { nowMs: () => START_MS },
      timers,
      transport: {
        request: async (to, message) => {
          sent.push({ to, message });
          if (it.answer === undefined) throw new PeerFault({ code: "unreachable" });
          return it.answer(message, to);
        },
      },
      resolveSeed: async (seed) => [seed],
      random: new SeededRandom(7),
      log,
      metrics: log,
    },
    { retired: () => (it.retired = true) },
  );
  const it: Running = { member, replica, timers, log, sent, answer: undefined, retired: false };
  running.push(it);
  await member.start();
  return it;
}

/** Makes a node known to the member, by a push-pull of its own. */
async function introduce({ member }: Running, from: Member): Promise<PeerReply> {
  return await member.serve(from.id, {
    kind: "push-pull",
    from,
    to: "",
    members: [from],
    retired: [],
  });
}

const standing = { floor: 0, complete: true };
const rumors = (changes: Partial<LoadedRumorRequest> = {}): LoadedRumorRequest => ({
  kind: "rumors",
  standing,
  rumors: [],
  wants: [],
  answers: undefined,
  pull: false,
  updates: [],
  ...changes,
});

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
  { kind: "hello", limits: LIMITS },
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

  test("nobody any more when it has stopped or is retired", async () => {
    const it = await start();
    await introduce(it, FRIEND);
    it.member.halt();
    await expect(it.member.serve(FRIEND.id, { kind: "fetch", key: "k" })).rejects.toMatchObject({
      reason: { code: "busy" },
    });
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
        ? { kind: "welcome", limits: LIMITS, time: 1, floor: 0, watermark: 0, recorded: false }
        : refused;
    await it.timers.advance(2000);
    expect(it.log.of("peer_refused")[0]).toEqual({ by: "b:1", code: "name_taken", holder: "first:1" });
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
      await expect(it.member.serve(FRIEND.id, { kind: "hello", limits: LIMITS })).rejects.toMatchObject({
        reason: { code: "busy" },
      });
    }
  });
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

describe("what another says of a time too far ahead", () => {
  const ahead = hlcFromMs(START_MS + MAX_DRIFT_MS + 1000);
  const unit = { sequence: 5, completeThrough: 5, settledAt: 5, tableHash: "0".repeat(16) };

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
