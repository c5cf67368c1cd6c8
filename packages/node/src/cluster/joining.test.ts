import {
  type HelloReply,
  type HelloRequest,
  hlcFromMs,
  type Peer,
  type PeerReply,
  type PeerRequest,
  type SharedLimits,
} from "@hearsay/core";
import { beforeEach, describe, expect, test } from "vitest";
import { PeerFault } from "../peer-fault.ts";
import { RepeatLog } from "../repeat-log.ts";
import { EventLog } from "./event-log.contract.ts";
import { Joining } from "./joining.ts";
import { ManualTimers, rest } from "./manual-timers.contract.ts";

const LIMITS: SharedLimits = {
  maxValueBytes: 1024,
  maxSiblings: 32,
  maxMessageBytes: 4096,
  tombstoneRetentionMs: 1000,
  digestKeyId: "0".repeat(16),
};
const WELCOME: HelloReply = {
  kind: "welcome",
  limits: LIMITS,
  time: 30,
  floor: 10,
  watermark: 20,
  recorded: false,
  newcomer: false,
  related: false,
  by: null,
};
const HELLO: HelloRequest = { kind: "hello", limits: LIMITS, knows: [], belongs: false, boundTo: [] };
const RETRY_MS = 1000;

const peer = (name: string): Peer => ({ id: `${name}~0123456789`, address: `${name}:1` });

describe("a joiner", () => {
  let timers: ManualTimers;
  let log: EventLog;
  /** What each address answers; nobody is at the others. */
  let answers: Map<string, PeerReply>;
  let asked: string[];
  let others: Peer[];
  let isTold: boolean;
  let entered: (readonly string[])[];
  let letInAt: readonly string[];
  let letInBy: string | null;
  let founders: readonly string[];
  let followed: number[];
  let taken: number[][];
  let clockIsBehind: boolean;
  let isRecorded: boolean;
  let oldest: number;
  let isApart: boolean;
  let isStoreDown: boolean;
  let isDiskFull: boolean;
  let isEntryLost: boolean;
  let resolve: (seed: string) => Promise<readonly string[]>;
  let joining: Joining;

  beforeEach(() => {
    timers = new ManualTimers();
    log = new EventLog();
    answers = new Map();
    asked = [];
    others = [];
    isTold = true;
    entered = [];
    letInAt = [];
    letInBy = null;
    founders = [];
    followed = [];
    taken = [];
    clockIsBehind = false;
    isRecorded = false;
    oldest = 99;
    isApart = false;
    isStoreDown = false;
    isDiskFull = false;
    isEntryLost = false;
    resolve = async (seed) => [seed];
    joining = new Joining(["a:1", "b:1"], RETRY_MS, 2000, {
      hello: () => HELLO,
      transport: {
        request: async (to: Peer, message: PeerRequest) => {
          expect(message).toEqual(HELLO);
          asked.push(to.address);
          const answer = answers.get(to.address);
          if (answer === undefined) throw new PeerFault({ code: "unreachable" });
          return answer;
        },
      },
      timers,
      log,
      troubles: new RepeatLog(log, 0, () => 0),
      limits: LIMITS,
      resolveSeed: (seed) => resolve(seed),
      now: () => 0,
      others: () => others,
      isTold: () => isTold,
      obstacle: async (floor) => {
        if (isStoreDown) throw new Error("unavailable");
        return isApart ? "of_others" : oldest <= floor ? "too_old" : undefined;
      },
      enter: (address) => {
        expect(letInAt).toContain(address);
        entered.push([address]);
      },
      found: (addresses) => {
        expect(addresses.filter((at) => at !== peer("self").address)).toEqual(letInAt);
        entered.push(addresses);
      },
      follow: (time) => {
        if (!clockIsBehind) followed.push(time);
        return !clockIsBehind;
      },
      self: peer("self").id,
      letIn: async (at, by, newcomers) => {
        if (isEntryLost) throw new Error("disk full");
        letInAt = at;
        letInBy = by;
        founders = newcomers;
      },
      isLetIn: () => letInBy !== null,
      take: async (...times) => void taken.push(times),
      recorded: async () => {
        if (isDiskFull) throw new Error("disk full");
        isRecorded = true;
      },
      retired: () => undefined,
    });
    joining.start();
  });

  test("takes the first introducer's clock, floor and watermark, then enters the table there and nowhere else", async () => {
    answers.set("b:1", WELCOME);
    await timers.advance(0);
    expect(asked).toEqual(["a:1", "b:1"]);
    expect([followed, taken]).toEqual([[30], [[10, 20]]]);
    expect(entered).toEqual([["b:1"]]);
    expect(joining.state).toMatchObject({ kind: "joining", recordedBy: 0 });
  });

  test("enters once more until it is told who else is there, and elsewhere when the one who let it in is gone before that", async () => {
    answers.set("a:1", WELCOME);
    answers.set("b:1", WELCOME);
    isTold = false;
    others = [peer("a")];
    await timers.advance(RETRY_MS);
    expect(entered.splice(0)).toEqual([["a:1"], ["a:1"]]);
    isTold = true;
    others = [];
    answers.delete("a:1");
    await timers.advance(RETRY_MS);
    expect(entered.splice(0)).toEqual([["b:1"]]);
    others = [peer("b")];
    answers.set("a:1", WELCOME);
    await timers.advance(3 * RETRY_MS);
    expect(entered).toEqual([]);
  });

  test("sends nothing more to enter once what it brings has become too old, and goes on when a member has recorded it and tells it", async () => {
    answers.set("a:1", WELCOME);
    await timers.advance(RETRY_MS);
    expect(entered.splice(0)).toHaveLength(2);
    answers.set("a:1", { ...WELCOME, floor: oldest });
    await timers.advance(RETRY_MS);
    const { length } = asked;
    others = [peer("b")];
    isTold = false;
    await timers.advance(3 * RETRY_MS);
    expect([joining.state.kind, entered, asked.length]).toEqual(["not_let_in", [], length]);
    isTold = true;
    answers.set("b:1", { ...WELCOME, recorded: true });
    await timers.advance(RETRY_MS);
    expect([joining.state.kind, isRecorded]).toEqual(["member", true]);
  });

  test("brings nothing that is older than deletions are kept, however low the floor still is", async () => {
    // A step of the floor is an eighth of the retention.
    oldest = hlcFromMs(50_000);
    const ageMs = LIMITS.tombstoneRetentionMs - LIMITS.tombstoneRetentionMs / 8;
    answers.set("a:1", { ...WELCOME, time: oldest + hlcFromMs(ageMs) - 1 });
    await timers.advance(0);
    expect(entered).toHaveLength(1);
    answers.set("a:1", { ...WELCOME, time: oldest + hlcFromMs(ageMs) });
    await timers.advance(RETRY_MS);
    expect([joining.state.kind, entered.length]).toEqual(["not_let_in", 1]);
  });

  test("begins no cluster with other newcomers while a name leads to nobody: a member may be behind it", async () => {
    for (const at of ["a:1", "b:1"]) answers.set(at, { ...WELCOME, newcomer: true });
    resolve = async () => [];
    await timers.advance(RETRY_MS);
    expect(log.of("join_failed").at(-1)).toEqual({ at: "a:1,b:1", code: "no_address" });
    resolve = async (seed) => (seed === "b:1" ? [] : [seed]);
    await timers.advance(3 * RETRY_MS);
    expect([entered, joining.isFounding]).toEqual([[], false]);
    expect(log.of("join_failed").at(-1)).toMatchObject({ code: "only_newcomers" });
    resolve = async (seed) => [seed];
    await timers.advance(RETRY_MS);
    expect([entered, joining.isFounding]).toEqual([[["a:1", "b:1"]], true]);
  });

  test("looks again whether it is apart where its store could not be read", async () => {
    isStoreDown = true;
    await expect(joining.isApart()).rejects.toThrow("unavailable");
    isStoreDown = false;
    isApart = true;
    expect(await joining.isApart()).toBe(true);
    isApart = false;
    expect(await joining.isApart()).toBe(true);
  });

  test("goes on asking while all seeds are down, and says so", async () => {
    await timers.advance(10 * RETRY_MS);
    expect(asked).toHaveLength(22);
    expect(log.of("join_failed")[0]).toEqual({ at: "a:1", code: "unreachable" });
    expect([entered, joining.state.kind]).toEqual([[], "joining"]);
    answers.set("a:1", WELCOME);
    await timers.advance(RETRY_MS);
    expect(entered).toHaveLength(1);
  });

  test("looks names up again with every attempt, and outlives a lookup that fails", async () => {
    let attempts = 0;
    resolve = async () => {
      attempts += 1;
      if (attempts <= 2) throw Object.assign(new Error("no such name"), { code: "ENOTFOUND" });
      return ["c:1"];
    };
    answers.set("c:1", WELCOME);
    await timers.advance(2 * RETRY_MS);
    expect(log.of("join_failed")).toContainEqual({ code: "ENOTFOUND", reason: "no such name", count: 1 });
    expect(entered[0]).toEqual(["c:1"]);
  });

  test("is a member once a majority of the others has recorded it, and asks no further", async () => {
    answers.set("a:1", WELCOME);
    others = ["a", "b", "c", "d"].map(peer);
    await timers.advance(RETRY_MS);
    expect(joining.state).toEqual({ kind: "joining", recordedBy: 0, needed: 3 });
    for (const name of ["a", "b"]) answers.set(`${name}:1`, { ...WELCOME, recorded: true });
    await timers.advance(RETRY_MS);
    expect(joining.state).toEqual({ kind: "joining", recordedBy: 2, needed: 3 });
    // One that has recorded it counts also while it is away.
    answers.delete("a:1");
    answers.set("d:1", { ...WELCOME, recorded: true });
    await timers.advance(RETRY_MS);
    expect([joining.state, isRecorded]).toEqual([{ kind: "member" }, true]);
    const before = asked.length;
    await timers.advance(10 * RETRY_MS);
    expect([asked.length, timers.armed]).toEqual([before, 0]);
  });

  test("of many others asks a few at a time, until a majority has recorded it", async () => {
    others = Array.from({ length: 40 }, (_, i) => peer(`p${i}`));
    answers.set("a:1", WELCOME);
    for (const { address } of others) answers.set(address, { ...WELCOME, recorded: true });
    await timers.advance(RETRY_MS);
    expect(joining.state).toEqual({ kind: "member" });
    expect(asked).toHaveLength(1 + 2 * 16);
  });

  test("of many others asks no more of them at once while most have not recorded it, and then those not asked before", async () => {
    others = Array.from({ length: 40 }, (_, i) => peer(`p${i}`));
    const addresses = others.map(({ address }) => address);
    answers.set("a:1", WELCOME);
    for (const address of addresses) answers.set(address, WELCOME);
    await timers.advance(RETRY_MS);
    expect(asked.splice(0)).toEqual(["a:1", ...addresses.slice(0, 16)]);
    await timers.advance(RETRY_MS);
    expect(asked.splice(0)).toEqual(addresses.slice(16, 32));
    await timers.advance(RETRY_MS);
    expect(asked.splice(0)).toEqual([...addresses.slice(32), ...addresses.slice(0, 8)]);
    expect(joining.state).toEqual({ kind: "joining", recordedBy: 0, needed: 21 });
  });

  test("asks its way through many newcomers to the one that counts", async () => {
    answers.set("a:1", WELCOME);
    await timers.advance(0);
    others = Array.from({ length: 40 }, (_, i) => peer(`p${i}`));
    for (const { address } of others) answers.set(address, { ...WELCOME, newcomer: true });
    answers.set("p39:1", { ...WELCOME, recorded: true });
    await timers.advance(RETRY_MS);
    expect(log.of("member")).toEqual([{ recordedBy: 1, of: 40 }]);
  });

  test("takes the clock of each who has recorded it, and does not count one whose clock it cannot take", async () => {
    answers.set("a:1", WELCOME);
    others = ["a", "b", "c"].map(peer);
    await timers.advance(0);
    followed = [];
    answers.set("b:1", { ...WELCOME, recorded: true, time: 71 });
    answers.set("c:1", { ...WELCOME, recorded: true, time: 72 });
    clockIsBehind = true;
    await timers.advance(RETRY_MS);
    expect([joining.state, isRecorded]).toEqual([{ kind: "joining", recordedBy: 0, needed: 2 }, false]);
    clockIsBehind = false;
    await timers.advance(RETRY_MS);
    expect([joining.state.kind, followed]).toEqual(["member", [71, 72]]);
  });

  test("counts nobody before it has heard from a member who else is there: a ping tells of one", async () => {
    isTold = false;
    answers.set("a:1", { ...WELCOME, recorded: true });
    others = [peer("a")];
    await timers.advance(3 * RETRY_MS);
    expect(joining.state).toEqual({ kind: "joining", recordedBy: 0, needed: 1 });
    isTold = true;
    others = ["a", "b", "c"].map(peer);
    await timers.advance(RETRY_MS);
    expect(joining.state).toEqual({ kind: "joining", recordedBy: 1, needed: 2 });
  });

  test("enters by no newcomer while a member may be behind another address", async () => {
    answers.set("a:1", { ...WELCOME, newcomer: true });
    await timers.advance(3 * RETRY_MS);
    expect([entered, joining.isFounding]).toEqual([[], false]);
    expect(log.of("join_failed")).toContainEqual({ at: "a:1,b:1", code: "only_newcomers" });
    answers.set("b:1", WELCOME);
    await timers.advance(RETRY_MS);
    expect([entered.length, joining.isFounding]).toEqual([1, false]);
  });

  test("notes by which member it is let in, and begins no cluster with newcomers after that", async () => {
    answers.set("a:1", { ...WELCOME, by: peer("a").id });
    await timers.advance(0);
    expect([letInAt, letInBy]).toEqual([["a:1"], peer("a").id]);
    for (const name of ["a", "b"]) answers.set(`${name}:1`, { ...WELCOME, newcomer: true });
    await timers.advance(RETRY_MS);
    expect([entered.length, joining.isFounding]).toEqual([1, false]);
    expect(log.of("join_failed")).toContainEqual({ at: "a:1,b:1", code: "only_newcomers" });
  });

  test("is let in by no member where it begins a cluster with newcomers", async () => {
    for (const name of ["a", "b"])
      answers.set(`${name}:1`, { ...WELCOME, newcomer: true, by: peer(name).id });
    await timers.advance(0);
    expect([letInAt, letInBy, joining.isFounding]).toEqual([["a:1", "b:1"], null, true]);
    expect(founders).toEqual(["a", "b"].map((name) => peer(name).id));
  });

  test("names each newcomer once, itself not, nor one of an older build, which does not say who it is", async () => {
    resolve = async (seed) => (seed === "a:1" ? ["a:1", "self:1", "c:1"] : ["b:1"]);
    for (const [at, by] of [
      ["a:1", peer("a").id],
      ["b:1", peer("a").id],
      ["self:1", peer("self").id],
      ["c:1", null],
    ] as const)
      answers.set(at, { ...WELCOME, newcomer: true, by });
    await timers.advance(0);
    expect([letInAt, founders]).toEqual([["a:1", "c:1", "b:1"], [peer("a").id]]);
  });

  test("that was told of itself alone waits for others to find it, let in by nobody yet", async () => {
    resolve = async () => ["self:1"];
    answers.set("self:1", { ...WELCOME, newcomer: true, by: peer("self").id });
    await timers.advance(0);
    expect([letInAt, founders, joining.isFounding]).toEqual([[], [], true]);
  });

  test("begins a cluster with newcomers when there is nobody else at any address, and a majority of them has recorded it", async () => {
    isTold = false;
    for (const name of ["a", "b"]) answers.set(`${name}:1`, { ...WELCOME, newcomer: true });
    others = ["a", "b", "c"].map(peer);
    await timers.advance(RETRY_MS);
    expect([entered.length, joining.isFounding]).toEqual([1, true]);
    answers.set("a:1", { ...WELCOME, newcomer: true, recorded: true });
    await timers.advance(RETRY_MS);
    expect(joining.state).toEqual({ kind: "joining", recordedBy: 1, needed: 2 });
    answers.set("b:1", { ...WELCOME, newcomer: true, recorded: true });
    await timers.advance(RETRY_MS);
    expect(joining.state.kind).toBe("member");
  });

  test.each([false, true])("enters once its disk takes that it is let in, founding: %s", async (newcomer) => {
    isEntryLost = true;
    for (const name of ["a", "b"]) answers.set(`${name}:1`, { ...WELCOME, newcomer });
    await timers.advance(2 * RETRY_MS);
    expect([entered, joining.isFounding]).toEqual([[], false]);
    isEntryLost = false;
    await timers.advance(RETRY_MS);
    expect([entered, joining.isFounding]).toEqual([[newcomer ? ["a:1", "b:1"] : ["a:1"]], newcomer]);
  });

  test("asks no address again when it has begun one, though nobody has entered its table yet", async () => {
    for (const address of ["a:1", "b:1"]) answers.set(address, { ...WELCOME, newcomer: true });
    await timers.advance(0);
    expect([joining.isFounding, asked.length, entered]).toEqual([true, 2, [["a:1", "b:1"]]]);
    answers.set("a:1", WELCOME);
    await timers.advance(3 * RETRY_MS);
    expect([asked.length, taken]).toEqual([2, []]);
    expect(joining.state).toEqual({ kind: "joining", recordedBy: 0, needed: 2 });
  });

  test("that has begun one with newcomers counts them no more once one is a member and has recorded it", async () => {
    for (const address of ["a:1", "b:1"]) answers.set(address, { ...WELCOME, newcomer: true });
    await timers.advance(0);
    others = [peer("a"), peer("b")];
    answers.set("a:1", { ...WELCOME, recorded: true });
    isTold = false;
    await timers.advance(RETRY_MS);
    expect([isRecorded, entered.at(-1)]).toEqual([false, ["a:1"]]);
    isTold = true;
    await timers.advance(RETRY_MS);
    expect([joining.state.kind, isRecorded]).toEqual(["member", true]);
  });

  test("begins no cluster with the few founders that it knows so far: the others could begin one, too", async () => {
    const addresses = ["a", "b", "c", "self"].map((name) => `${name}:1`);
    // The other name leads to one of them once more.
    resolve = async (seed) => (seed === "a:1" ? addresses : ["self:1"]);
    for (const name of ["a", "b", "c", "self"])
      answers.set(`${name}:1`, { ...WELCOME, newcomer: true, recorded: true, by: peer(name).id });
    others = [peer("b")];
    await timers.advance(RETRY_MS);
    expect(joining.state).toEqual({ kind: "joining", recordedBy: 1, needed: 2 });
    others = [peer("b"), peer("c")];
    await timers.advance(RETRY_MS);
    expect(joining.state.kind).toBe("member");
  });

  test("is a member by a majority that came about while its disk was full, whoever joins until there is room", async () => {
    answers.set("a:1", { ...WELCOME, recorded: true });
    others = [peer("a")];
    isDiskFull = true;
    await timers.advance(RETRY_MS);
    others = ["a", "b", "c"].map(peer);
    await timers.advance(RETRY_MS);
    expect(joining.state.kind).toBe("joining");
    isDiskFull = false;
    await timers.advance(RETRY_MS);
    expect([joining.state, isRecorded]).toEqual([{ kind: "member" }, true]);
    expect(log.of("member")).toEqual([{ recordedBy: 1, of: 1 }]);
  });

  test.each<[keyof SharedLimits, Partial<SharedLimits>]>([
    ["maxValueBytes", { maxValueBytes: 2048 }],
    ["maxSiblings", { maxSiblings: 8 }],
    ["maxMessageBytes", { maxMessageBytes: 8192 }],
    ["tombstoneRetentionMs", { tombstoneRetentionMs: 1 }],
    ["digestKeyId", { digestKeyId: "f".repeat(16) }],
  ])("stays outside when an introducer has another %s, and names it", async (knob, change) => {
    answers.set("a:1", { ...WELCOME, limits: { ...LIMITS, ...change } });
    answers.set("b:1", WELCOME);
    await timers.advance(10 * RETRY_MS);
    expect(joining.state).toEqual({ kind: "refused", by: "a:1", knobs: [knob] });
    expect(log.of("limits_differ")).toEqual([{ by: "a:1", knobs: knob }]);
    expect([asked, entered, taken, timers.armed]).toEqual([["a:1"], [], [], 0]);
  });

  test.each([
    ["what it brings is at or below the floor of 10", 10, false, true],
    ["not for what is above", 11, false, false],
    ["not among those who know it under an id of before", 10, true, false],
  ])("stays outside, with nothing changed: %s", async (_, time, related, isOutside) => {
    oldest = time;
    answers.set("a:1", { ...WELCOME, related });
    await timers.advance(0);
    if (!isOutside) return expect(entered).toHaveLength(1);
    expect(joining.state).toEqual({ kind: "not_let_in", by: "a:1", reason: "too_old" });
    expect(log.of("data_too_old")).toEqual([{ by: "a:1", floor: 10, reason: "too_old" }]);
    expect([entered, taken]).toEqual([[], []]);
  });

  test("begins no cluster with newcomers where it may not bring what it holds, and is let in by none of them", async () => {
    isApart = true;
    answers.set("a:1", { ...WELCOME, newcomer: true });
    await timers.advance(RETRY_MS);
    expect([joining.state.kind, await joining.isApart()]).toEqual(["joining", true]);
    answers.set("b:1", { ...WELCOME, newcomer: true });
    await timers.advance(RETRY_MS);
    expect(joining.state).toEqual({ kind: "not_let_in", by: "a:1,b:1", reason: "of_others" });
    expect(log.of("data_too_old")).toEqual([{ by: "a:1,b:1", floor: 0, reason: "of_others" }]);
    expect([entered, taken]).toEqual([[], []]);
  });

  test("does not go by what a newcomer knows of it while a member may be behind another address", async () => {
    isApart = true;
    answers.set("a:1", { ...WELCOME, newcomer: true });
    answers.set("b:1", { ...WELCOME, related: true });
    await timers.advance(0);
    expect(entered).toEqual([["b:1"]]);
  });

  test("goes to the next introducer when the clock of one is too far ahead, and says so", async () => {
    clockIsBehind = true;
    answers.set("a:1", WELCOME);
    await timers.advance(0);
    expect(log.of("join_failed")).toContainEqual({ at: "a:1", code: "clock_drift" });
    expect(asked).toEqual(["a:1", "b:1"]);
    clockIsBehind = false;
    await timers.advance(RETRY_MS);
    expect(entered).toHaveLength(1);
  });

  test("takes nothing else for a welcome", async () => {
    answers.set("a:1", { kind: "state-done" });
    await timers.advance(0);
    expect(log.of("join_failed")).toContainEqual({
      at: "a:1",
      code: "bad_message",
      what: expect.any(String),
    });
    expect(entered).toEqual([]);
  });

  test("asks nobody any more when it is stopped", async () => {
    await timers.advance(0);
    joining.stop();
    await timers.advance(10 * RETRY_MS);
    await rest();
    expect([asked.length, timers.armed]).toEqual([2, 0]);
  });
});
