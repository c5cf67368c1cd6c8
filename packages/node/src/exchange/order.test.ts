/** What an exchange does before what else: each step rests on the one before it. */
import { fromHex } from "@hearsay/core";
import { expect, test } from "vitest";
import { rest } from "../cluster/manual-timers.contract.ts";
import { ExchangeAnswerer } from "./answer.ts";
import {
  between,
  dialogue,
  exchange,
  FLOOR,
  ghost,
  knows,
  STANDS_STILL,
  unlikePair,
} from "./dialogue.contract.ts";
import { MemoryReplica, meet, START_MS } from "./memory-replica.contract.ts";
import { EXCHANGE_LIMITS } from "./session.ts";

const complete = ({ keeper }: MemoryReplica): boolean => keeper.completeness.complete;

/** Both hold nothing, and the first is not complete. */
async function equalPair(): Promise<[MemoryReplica, MemoryReplica]> {
  const [a, b] = await unlikePair();
  a.store.committed.records.clear();
  return [a, b];
}

async function answered(asking: MemoryReplica, answering: MemoryReplica): Promise<void> {
  await new ExchangeAnswerer(answering.replica, EXCHANGE_LIMITS, STANDS_STILL).answer(asking.id, {
    kind: "exchange-start",
    session: 1,
    tableHash: asking.counted.tableHash,
    standing: asking.replica.standing(),
    offer: { time: 5, vector: new Map() },
    root: fromHex(await asking.digests.root()),
  });
}

/** The steps of a side, each of which takes a while. */
function stepsOf({ replica, digests }: MemoryReplica): string[] {
  const steps: string[] = [];
  const settleFloor = replica.settleFloor.bind(replica);
  const flush = replica.flush.bind(replica);
  const ownTime = replica.ownTime.bind(replica);
  const root = digests.root.bind(digests);
  const noted = async <Result>(step: string, result: Promise<Result>): Promise<Result> => {
    steps.push(step);
    await rest();
    steps.push(`${step} ends`);
    return await result;
  };
  replica.settleFloor = (floor) => noted("purge", settleFloor(floor));
  replica.flush = () => noted("flush", flush());
  replica.ownTime = () => noted("time", ownTime());
  digests.root = () => noted("root", root());
  return steps;
}

const oneByOne = (...steps: readonly string[]): string[] => steps.flatMap((step) => [step, `${step} ends`]);

test("who answers purges, then has all it has accepted committed, then takes its time, then its root", async () => {
  const [a, b] = await equalPair();
  const steps = stepsOf(a);
  await answered(b, a);
  expect(steps).toEqual(oneByOne("purge", "flush", "time", "root"));
});

test.each(["equal", "different"])(
  "so does who asks, and once more when it knows the floor of the other, found %s: nothing accepted since escapes the comparison",
  async (found) => {
    const [a, b] = await equalPair();
    if (found === "different") await b.write("k", "v");
    const steps = stepsOf(a);
    await between(a, b);
    // And anew with each answer of the walk, so that it does not list what has come meanwhile.
    const walked = found === "different" ? ["root", "root"] : [];
    expect(steps).toEqual(oneByOne("purge", "flush", "time", "root", "purge", "flush", "root", ...walked));
  },
);

test("who asks is not made complete by an equal root where mail came since that is old at the floor of the other", async () => {
  const [a, b] = await equalPair();
  const floor = FLOOR + 10;
  b.keeper.completeness.unit({ ids: [b.id], tableHash: "" }, floor, floor);
  await b.keeper.settleFloor(floor);
  const { ask } = dialogue(a, b, EXCHANGE_LIMITS);
  await exchange(a, b.id, async (request) => {
    const reply = await ask(request);
    await a.replica.takeMail([{ key: "late", record: ghost(FLOOR + 5) }], a.replica.standing());
    return reply;
  });
  expect([[...a.contents().keys()], complete(a), a.replica.standing().floor]).toEqual([
    ["late"],
    false,
    floor,
  ]);
  await between(a, b);
  expect([a.contents().size, complete(a)]).toEqual([0, true]);
});

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
  const { ask } = dialogue(b, a, EXCHANGE_LIMITS);
  const hasty = exchange(b, a.id, (request) =>
    ask(request.kind === "exchange-transfer" ? { ...request, final: true } : request),
  );
  await expect(hasty).rejects.toMatchObject({ reason: { what: "exchange-void" } });
  expect([b.graveyard.ghosts.length, a.contents().get("k")?.length, complete(a)]).toEqual([1, 2, false]);
  await between(b, a);
  expect([a.contents().get("k"), complete(a)]).toEqual([b.contents().get("k"), true]);
});

test("who answers is complete when what was refused is dropped, and not before", async () => {
  const [a, b] = await unlikePair();
  let drop: () => void = () => undefined;
  const remove = a.store.remove.bind(a.store);
  a.store.remove = async (key) => {
    await new Promise<void>((resolve) => {
      drop = resolve;
    });
    await remove(key);
  };
  const ended = between(b, a);
  await rest();
  expect([a.graveyard.ghosts.length, a.contents().size, complete(a)]).toEqual([1, 1, false]);
  drop();
  await ended;
  expect([a.contents().size, complete(a)]).toEqual([0, true]);
});

test("who asks sends its own record where the other does not answer with the newer one that it has listed", async () => {
  const a = await MemoryReplica.open({ name: "a" });
  const b = await MemoryReplica.open({ name: "b", nowMs: () => START_MS + 1000 });
  meet(a, b);
  await a.write("k", "here");
  await b.write("k", "gone");
  const { ask } = dialogue(a, b, EXCHANGE_LIMITS);
  await exchange(a, b.id, async (request) => {
    if (request.kind === "exchange-transfer" && !request.final) b.store.committed.records.delete("k");
    return await ask(request);
  });
  expect(b.contents()).toEqual(a.contents());
  expect(knows(b, a)).toBeGreaterThanOrEqual(a.node.lastWrite);
});

test.each(["asks", "answers"])("who %s does not send what is about to be purged", async (does) => {
  const [a, b] = await equalPair();
  await a.write("k", undefined);
  const floor = a.node.lastWrite;
  a.graveyard.purge = async () => ({ purged: 0, more: false });
  for (const { keeper } of [a, b]) await keeper.settleFloor(floor);
  const { outcome } = await (does === "asks" ? between(a, b) : between(b, a));
  expect(outcome).toMatchObject({ equal: false, keysSent: 0, keysReceived: 0 });
});
