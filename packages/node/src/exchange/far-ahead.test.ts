import { type ExchangeRequest, hlcFromMs, type NodeId } from "@hearsay/core";
import { describe, expect, test } from "vitest";
import { ExchangeAnswerer } from "./answer.ts";
import { between, dialogue, exchange, knows, pair, STANDS_STILL } from "./dialogue.contract.ts";
import { MAX_DRIFT_MS, MemoryReplica, meet, START_MS } from "./memory-replica.contract.ts";
import { EXCHANGE_LIMITS } from "./session.ts";

describe("times too far ahead", () => {
  const ahead = hlcFromMs(START_MS + MAX_DRIFT_MS + 1000);
  const start = (a: MemoryReplica, change: Partial<Extract<ExchangeRequest, { kind: "exchange-start" }>>) =>
    ({
      kind: "exchange-start",
      session: 1,
      tableHash: a.counted.tableHash,
      standing: { floor: 0, complete: true },
      offer: { time: hlcFromMs(START_MS), vector: new Map() },
      root: new Uint8Array(32),
      ...change,
    }) as const;

  test.each<[string, (a: MemoryReplica) => ExchangeRequest]>([
    ["an offer", (a) => start(a, { offer: { time: ahead, vector: new Map() } })],
    ["a floor", (a) => start(a, { standing: { floor: ahead, complete: true } })],
  ])("in %s are refused and change nothing", async (_, request) => {
    const [a, b] = await pair();
    await b.write("gone", undefined);
    const before = b.keeper.completeness.state;
    const answerer = new ExchangeAnswerer(b.replica, EXCHANGE_LIMITS, STANDS_STILL);
    await expect(answerer.answer(a.id, request(a))).rejects.toMatchObject({
      reason: { code: "clock_drift" },
    });
    expect(b.keeper.completeness.state).toEqual(before);
    expect([b.contents().size, b.graveyard.floors, answerer.size]).toEqual([1, [], 0]);
  });

  test("in an answer end the exchange and change nothing", async () => {
    for (const forged of [
      { offer: { time: ahead, vector: new Map() } },
      { standing: { floor: ahead, complete: true } },
    ]) {
      const [a, b] = await pair();
      await a.write("gone", undefined);
      await between(a, b);
      const before = a.keeper.completeness.state;
      const { ask } = dialogue(a, b, EXCHANGE_LIMITS);
      const outcome = exchange(a, b.id, async (request) => {
        const reply = await ask(request);
        return reply.kind === "exchange-equal" ? { ...reply, ...forged } : reply;
      });
      await expect(outcome).rejects.toMatchObject({ reason: { code: "clock_drift" } });
      expect(a.keeper.completeness.state).toEqual(before);
      expect(a.contents().size).toBe(1);
    }
  });

  test("in a vector are left out of it", async () => {
    const [a, b] = await pair();
    const [near, far]: NodeId[] = ["near~0123456789", "far~0123456789"];
    const { ask } = dialogue(a, b, EXCHANGE_LIMITS);
    const outcome = await exchange(a, b.id, async (request) => {
      const reply = await ask(request);
      if (reply.kind !== "exchange-equal") return reply;
      const vector = new Map([
        [near ?? "", hlcFromMs(START_MS)],
        [far ?? "", ahead],
      ]);
      return { ...reply, offer: { ...reply.offer, vector } };
    });
    expect(outcome).toMatchObject({ concluded: true });
    const { vector } = a.keeper.completeness.state;
    expect([vector.has(near ?? ""), vector.has(far ?? "")]).toEqual([true, false]);
  });

  test("in a record end the exchange, and nothing of its message is taken", async () => {
    const a = await MemoryReplica.open({ name: "a", nowMs: () => START_MS + MAX_DRIFT_MS + 5000 });
    const b = await MemoryReplica.open({ name: "b" });
    meet(a, b);
    for (const key of ["k", "l", "m"]) await a.write(key, "from the future");
    const fault = await between(a, b).catch((error: unknown) => error);
    expect(fault).toMatchObject({ reason: { code: "clock_drift" } });
    expect(await between(b, a).catch((error: unknown) => error)).toMatchObject({
      reason: { code: "clock_drift" },
    });
    expect([b.contents().size, knows(b, a), knows(a, b)]).toEqual([0, 0, 0]);
  });
});
