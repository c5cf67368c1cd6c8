import { type ExchangeReply, fromHex } from "@hearsay/core";
import { describe, expect, test, vi } from "vitest";
import { ExchangeAnswerer } from "./answer.ts";
import { FLOOR, ghost, knows, pair } from "./dialogue.contract.ts";
import { MemoryReplica, meet } from "./memory-replica.contract.ts";
import { EXCHANGE_LIMITS, type ExchangeLimits, sameBytes } from "./session.ts";

describe("the answering side", () => {
  async function started(limits: Partial<ExchangeLimits> = {}) {
    const [a, b] = await pair();
    await b.write("k", "v");
    const time = { nowMs: 0 };
    const answerer = new ExchangeAnswerer(b.replica, { ...EXCHANGE_LIMITS, ...limits }, () => time.nowMs);
    const start = async (number: number, nowMs = 0, offered = 5): Promise<ExchangeReply> => {
      time.nowMs = nowMs;
      return await answerer.answer(a.id, {
        kind: "exchange-start",
        session: number,
        tableHash: a.counted.tableHash,
        standing: a.replica.standing(),
        offer: { time: offered, vector: new Map() },
        root: fromHex(await a.digests.root()),
      });
    };
    const final = async (number: number, nowMs = 0): Promise<ExchangeReply> => {
      time.nowMs = nowMs;
      return await answerer.answer(a.id, {
        kind: "exchange-transfer",
        session: number,
        standing: a.replica.standing(),
        records: [],
        wants: [],
        refused: [],
        final: true,
      });
    };
    return { a, b, time, answerer, start, final };
  }

  test("has so many sessions open, tells one more to come back, and has room again when one is idle", async () => {
    const { answerer, start } = await started({ maxSessions: 2, sessionIdleMs: 100 });
    await start(1);
    await start(2, 60);
    await expect(start(3, 60)).rejects.toMatchObject({ reason: { code: "busy" } });
    expect((await start(3, 101)).kind).toBe("exchange-differs");
    expect(answerer.size).toBe(2);
  });

  test("that is not complete has fewer, and does nothing for one more before it tells it to come back", async () => {
    const { b, time, answerer, start } = await started();
    for (const session of [1, 2, 3]) await start(session);
    expect(answerer.size).toBe(3);
    await b.keeper.settleFloor(FLOOR);
    const flush = vi.spyOn(b.replica, "flush");
    await expect(start(4)).rejects.toMatchObject({ reason: { code: "busy" } });
    expect([flush.mock.calls.length, answerer.putOff]).toEqual([0, 1]);
    // Those of before have stood still for a while.
    time.nowMs = 5001;
    for (const session of [5, 6]) await start(session, time.nowMs);
    await expect(start(7, time.nowMs)).rejects.toMatchObject({ reason: { code: "busy" } });
    expect([answerer.size, answerer.putOff]).toEqual([2, 2]);
  });

  test("gives up no session of which it answers a request, however long that takes", async () => {
    const { a, b, time, answerer, start } = await started({ maxSessions: 1 });
    await start(1);
    let release: () => void = () => undefined;
    const held = new Promise<void>((resolve) => {
      release = resolve;
    });
    const listBucket = b.digests.listBucket.bind(b.digests);
    b.digests.listBucket = async (bucket) => {
      await held;
      return await listBucket(bucket);
    };
    const nodes = Array.from({ length: 4096 }, (_, index) => ({
      level: 3,
      index,
      children: a.digests.children(3, index),
    })).filter(({ children, index }) => !sameBytes(children, b.digests.children(3, index)));
    const compared = answerer.answer(a.id, { kind: "exchange-compare", session: 1, compare: { nodes } });
    await expect(start(2, 20_000)).rejects.toMatchObject({ reason: { code: "busy" } });
    release();
    expect((await compared).kind).toBe("exchange-compared");
    await expect(start(2, 25_000)).rejects.toMatchObject({ reason: { code: "busy" } });
    time.nowMs = 25_001;
    expect((await start(2, time.nowMs)).kind).toBe("exchange-differs");
  });

  test("remembers so many of the sessions that were begun, and refuses a second start of these", async () => {
    const { start, final } = await started();
    for (let number = 0; number <= 1024; number++) {
      await start(number);
      await final(number);
    }
    await expect(start(1)).rejects.toMatchObject({ reason: { code: "busy" } });
    expect((await start(0)).kind).toBe("exchange-differs");
  });

  test("has no more sessions than it may where two begin at one time", async () => {
    const { answerer, start } = await started({ maxSessions: 1 });
    const [first, second] = await Promise.allSettled([start(1), start(2)]);
    expect(first).toMatchObject({ value: { kind: "exchange-differs" } });
    expect(second).toMatchObject({ reason: { reason: { code: "busy" } } });
    expect(answerer.size).toBe(1);
  });

  test("concludes nothing from a session in which it could not judge a record", async () => {
    const { a, b, answerer, start, final } = await started();
    await start(1);
    const reply = await answerer.answer(a.id, {
      kind: "exchange-transfer",
      session: 1,
      standing: { floor: FLOOR, complete: true },
      records: [{ key: "old", record: ghost(FLOOR - 5) }],
      wants: [],
      refused: [],
      final: false,
    });
    expect(reply).toEqual({ kind: "exchange-void" });
    expect([await final(1), knows(b, a)]).toEqual([{ kind: "exchange-void" }, 0]);
  });

  test("is made complete by an exchange that began after all those it does not remember, and by no other", async () => {
    const { b, start, final } = await started();
    const before = b.replica.latestTime();
    const makesComplete = async (number: number): Promise<boolean> => {
      await b.keeper.disturbed();
      await start(number, 0, before + number);
      await final(number);
      return b.replica.standing().complete;
    };
    expect([await makesComplete(0), await makesComplete(1)]).toEqual([false, true]);
    for (let number = 2; number <= 1024; number++) await makesComplete(number);
    expect(await makesComplete(1025)).toBe(true);
    expect(await makesComplete(1)).toBe(false);
    expect(await makesComplete(1026)).toBe(true);
  });

  test("knows a session no longer that was idle for long, is over, or was never there", async () => {
    const { start, final, answerer } = await started({ sessionIdleMs: 100 });
    expect(await final(9)).toEqual({ kind: "exchange-void" });
    await start(1);
    expect(await final(1, 101)).toEqual({ kind: "exchange-void" });
    await start(2);
    expect((await final(2, 100)).kind).toBe("exchange-transferred");
    expect(await final(2, 100)).toEqual({ kind: "exchange-void" });
    expect(answerer.size).toBe(0);
  });

  test("drops its sessions with a retired id, and with no other", async () => {
    const { a, start, final, answerer } = await started();
    await start(1);
    answerer.dropSessionsWith(a.id.slice(0, -1));
    expect(answerer.size).toBe(1);
    answerer.dropSessionsWith(a.id);
    expect(answerer.size).toBe(0);
    expect(await final(1)).toEqual({ kind: "exchange-void" });
  });

  test("draws its conclusion once, at the final transfer, and none from a session a retirement made void", async () => {
    const { a, b, start, final } = await started();
    await start(1);
    expect(knows(b, a)).toBe(0);
    await final(1);
    expect(knows(b, a)).toBe(5);
    await start(2);
    await b.keeper.retirementAdopted();
    expect(await final(2)).toEqual({ kind: "exchange-void" });
  });

  test.each([
    { equal: true, change: "retirement" },
    { equal: false, change: "retirement" },
    { equal: true, change: "newcomer" },
    { equal: false, change: "newcomer" },
  ])(
    "offers no time of after a $change that its table has taken in since the tables were compared (equal: $equal)",
    async ({ equal, change }) => {
      const { a, b, start, answerer } = await started();
      if (equal)
        await a.replica.merge(
          [...b.store.committed.records].map(([key, record]) => ({ key, record })),
          b.replica.standing(),
        )?.committed;
      const ownTime = b.replica.ownTime.bind(b.replica);
      b.replica.ownTime = async () => {
        if (change === "retirement") await b.keeper.retirementAdopted();
        else meet(b, await MemoryReplica.open({ name: "c" }));
        return await ownTime();
      };
      expect(await start(1)).toEqual({ kind: "exchange-tables-differ" });
      expect([answerer.size, knows(b, a)]).toEqual([0, 0]);
    },
  );

  test("offers nothing when it settles a retirement while it purges", async () => {
    const { a, b, start, answerer } = await started();
    const settleFloor = b.replica.settleFloor.bind(b.replica);
    b.replica.settleFloor = async (floor) => {
      await b.keeper.retirementAdopted();
      await settleFloor(floor);
    };
    expect(await start(1)).toEqual({ kind: "exchange-tables-differ" });
    expect([answerer.size, knows(b, a)]).toEqual([0, 0]);
  });

  test("neither adopts a floor nor waits for its disk where the tables differ", async () => {
    const { a, b, start } = await started();
    await a.keeper.settleFloor(FLOOR);
    meet(a, await MemoryReplica.open({ name: "c" }));
    const { floor } = b.replica.standing();
    b.store.isFull = true;
    expect(await start(1)).toEqual({ kind: "exchange-tables-differ" });
    expect(b.replica.standing().floor).toBe(floor);
  });

  test("answers once with a record that was both sent and asked for", async () => {
    const { a, b, answerer, start } = await started();
    await a.write("k", "concurrent");
    const record = a.store.get("k");
    if (record === undefined) throw new Error("unreachable");
    await start(1);
    const bucket = b.digests.bucketOf("k");
    const keyHashes = (await b.digests.listBucket(bucket)).map(({ keyHash }) => keyHash);
    const reply = await answerer.answer(a.id, {
      kind: "exchange-transfer",
      session: 1,
      standing: a.replica.standing(),
      records: [{ key: "k", record }],
      wants: [{ bucket, keyHashes }],
      refused: [],
      final: false,
    });
    expect(reply).toMatchObject({ records: [{ key: "k", record: b.store.get("k") }], leftOut: [] });
    expect(b.contents().get("k")).toHaveLength(2);
  });

  test("looks for what is wanted for a step, also where there is nothing of it, and leaves the rest out", async () => {
    const { a, b, time, answerer, start } = await started();
    await start(1);
    let read = 0;
    const listBucket = b.digests.listBucket.bind(b.digests);
    b.digests.listBucket = async (bucket) => {
      read += 1;
      time.nowMs += 300;
      return await listBucket(bucket);
    };
    const wants = Array.from({ length: 1000 }, (_, bucket) => ({ bucket, keyHashes: ["0".repeat(12)] }));
    const reply = await answerer.answer(a.id, {
      kind: "exchange-transfer",
      session: 1,
      standing: a.replica.standing(),
      records: [],
      wants,
      refused: [],
      final: false,
    });
    if (reply.kind !== "exchange-transferred") throw new Error(reply.kind);
    expect(reply.leftOut).toEqual(wants.slice(1000 - reply.leftOut.length));
    expect(reply.leftOut.length).toBeLessThan(1000);
    expect(read).toBeLessThan(40);
  });

  test("does not remember buckets in which it has nothing", async () => {
    const { a, b, answerer, start } = await started();
    await a.write("elsewhere", "v");
    const bucket = a.digests.bucketOf("elsewhere");
    expect(bucket).not.toBe(b.digests.bucketOf("k"));
    await start(1);
    const index = Math.floor(bucket / 16);
    const nodes = [{ level: 3, index, children: a.digests.children(3, index) }];
    await answerer.answer(a.id, { kind: "exchange-compare", session: 1, compare: { nodes } });
    const listBucket = vi.spyOn(b.digests, "listBucket");
    await answerer.answer(a.id, {
      kind: "exchange-transfer",
      session: 1,
      standing: a.replica.standing(),
      records: [],
      wants: [{ bucket, keyHashes: ["0".repeat(12)] }],
      refused: [],
      final: false,
    });
    expect(listBucket).toHaveBeenCalledOnce();
  });

  test("refuses a comparison of nodes that are none", async () => {
    const { a, start, answerer } = await started();
    await start(1);
    const compare = { nodes: [{ level: 9, index: 0, children: new Uint8Array(128) }] };
    await expect(
      answerer.answer(a.id, { kind: "exchange-compare", session: 1, compare }),
    ).rejects.toMatchObject({ reason: { code: "bad_message" } });
  });
});
