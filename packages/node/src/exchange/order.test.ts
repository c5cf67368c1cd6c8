/** What an exchange does before what else: each step rests on the one before it. */
import { fromHex } from "@hearsay/core";
import { expect, test } from "vitest";
import { rest } from "../cluster/manual-timers.contract.ts";
import { ExchangeAnswerer } from "./answer.ts";
import { between, exchange, unlikePair } from "./dialogue.contract.ts";
import type { MemoryReplica } from "./memory-replica.contract.ts";
import { EXCHANGE_LIMITS } from "./session.ts";

const complete = ({ keeper }: MemoryReplica): boolean => keeper.completeness.complete;

/** Both hold nothing, and the first is not complete. */
async function equalPair(): Promise<[MemoryReplica, MemoryReplica]> {
  const [a, b] = await unlikePair();
  a.store.committed.records.clear();
  return [a, b];
}

async function answered(asking: MemoryReplica, answering: MemoryReplica): Promise<void> {
  await new ExchangeAnswerer(answering.replica, EXCHANGE_LIMITS).answer(
    asking.id,
    {
      kind: "exchange-start",
      session: 1,
      tableHash: asking.counted.tableHash,
      standing: asking.replica.standing(),
      offer: { time: 5, vector: new Map() },
      root: fromHex(await asking.digests.root()),
    },
    0,
  );
}

test.each(["asks", "answers"])(
  "who %s purges, then has all it has accepted committed, then takes its time, then its root",
  async (does) => {
    const [a, b] = await equalPair();
    const steps: string[] = [];
    const { replica, digests } = a;
    const settleFloor = replica.settleFloor.bind(replica);
    const flush = replica.flush.bind(replica);
    const ownTime = replica.ownTime.bind(replica);
    const root = digests.root.bind(digests);
    const noted = async <Result>(step: string, result: Promise<Result>): Promise<Result> => {
      steps.push(`${step} begins`);
      await rest();
      steps.push(`${step} ends`);
      return await result;
    };
    replica.settleFloor = (floor) => noted("purge", settleFloor(floor));
    replica.flush = () => noted("flush", flush());
    replica.ownTime = () => noted("time", ownTime());
    digests.root = () => noted("root", root());
    if (does === "asks")
      await exchange(a, b.id, () => Promise.reject(new Error("far enough"))).catch(() => undefined);
    else await answered(b, a);
    const order = ["purge", "flush", "time", "root"];
    expect(steps).toEqual(order.flatMap((step) => [`${step} begins`, `${step} ends`]));
  },
);

test.each(["asks", "answers"])(
  "who %s is not made complete by what was brought while it waited for its commits",
  async (does) => {
    const [a, b] = await equalPair();
    const flush = a.replica.flush.bind(a.replica);
    a.replica.flush = async () => {
      await flush();
      a.keeper.completeness.disturbed();
      a.replica.flush = flush;
    };
    const once = (): Promise<unknown> => (does === "asks" ? between(a, b) : between(b, a));
    await once();
    expect(complete(a)).toBe(false);
    await once();
    expect(complete(a)).toBe(true);
  },
);

test("who answers is not made complete by an exchange whose last answer carries what the other may refuse", async () => {
  const [a, b] = await unlikePair();
  await b.write("k", "news");
  await between(b, a);
  expect([b.graveyard.ghosts.length, a.contents().get("k")?.length, complete(a)]).toEqual([1, 2, false]);
  await between(b, a);
  expect([a.contents().get("k"), complete(a)]).toEqual([b.contents().get("k"), true]);
});

test("who answers is complete when what was refused is dropped, and not before", async () => {
  const [a, b] = await unlikePair();
  let keep: (isKept: boolean) => void = () => undefined;
  a.graveyard.quarantine = () =>
    new Promise((resolve) => {
      keep = resolve;
    });
  const ended = between(b, a);
  await rest();
  expect([a.contents().size, complete(a)]).toEqual([1, false]);
  keep(true);
  await ended;
  expect([a.contents().size, complete(a)]).toEqual([0, true]);
});
