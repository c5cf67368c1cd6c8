/** What the answering side owes for a transfer, however much more that is than was sent. */
import type { ExchangeReply, ExchangeRequest, KeyedRecord, RefusedVersions } from "@hearsay/core";
import { expect, test } from "vitest";
import { PeerFault } from "../peer-fault.ts";
import { ExchangeAnswerer } from "./answer.ts";
import type { AskPeer } from "./ask.ts";
import {
  between,
  type Dialogue,
  dialogue,
  exchange,
  FLOOR,
  ghost,
  knows,
  STANDS_STILL,
  unlikePair,
} from "./dialogue.contract.ts";
import { MemoryReplica, meet, START_MS } from "./memory-replica.contract.ts";
import { EXCHANGE_LIMITS, type ExchangeLimits, recordBytes, refusedBytes } from "./session.ts";

const KEYS = 30;
const LARGE = "x".repeat(500);
/** What the asking side sends fits into one message. */
const LIMITS: ExchangeLimits = { ...EXCHANGE_LIMITS, maxMessageBytes: 6000 };

/** Each has written the same keys without the other, the asking side later and far less. */
async function writtenApart(laterMs = 1000): Promise<[MemoryReplica, MemoryReplica]> {
  const a = await MemoryReplica.open({ name: "a", nowMs: () => START_MS + laterMs });
  const b = await MemoryReplica.open({ name: "b" });
  meet(a, b);
  for (let i = 0; i < KEYS; i++) {
    await a.write(`key-${i}`, "v");
    await b.write(`key-${i}`, LARGE);
  }
  return [a, b];
}

interface Part {
  readonly records: readonly KeyedRecord[];
  readonly refused: readonly RefusedVersions[];
}

function bytesOf({ records, refused }: Part): number {
  const ofRecords = records.reduce((sum, { key, record }) => sum + recordBytes(key, record), 0);
  return refused.reduce((sum, versions) => sum + refusedBytes(versions), ofRecords);
}

/** Answers, and requests, that carry more than fits, and not just one record. */
function tooLarge(said: Dialogue["said"], maxBytes: number): number[] {
  return said
    .flatMap(({ request, reply }): Part[] => [
      ...("records" in request ? [request] : []),
      ...("records" in reply ? [reply] : []),
    ])
    .filter(({ records, refused }) => records.length > 1 || refused.length > 1)
    .filter((part) => bytesOf(part) > maxBytes)
    .map(bytesOf);
}

function kindsOf(said: Dialogue["said"]): string[] {
  return said.map(({ reply }) => reply.kind);
}

test("an answer to small records that meet large siblings keeps to its bound, and the exchange brings all of them", async () => {
  const [a, b] = await writtenApart();
  const { outcome, said } = await between(a, b, LIMITS);
  expect(outcome).toMatchObject({ concluded: true, keysSent: KEYS, keysReceived: KEYS });
  expect(tooLarge(said, LIMITS.maxMessageBytes)).toEqual([]);
  expect(kindsOf(said)).toContain("exchange-more");
  expect(a.contents()).toEqual(b.contents());
  expect(a.contents().get("key-0")).toHaveLength(2);
  expect((await between(a, b, LIMITS)).outcome).toMatchObject({ equal: true });
});

test.each([1, 300, 1000])("also where %i bytes fit into a message", async (maxMessageBytes) => {
  const [a, b] = await writtenApart();
  const limits = { ...LIMITS, maxMessageBytes };
  // What the asking side sends by its own, larger limits is not answered in one message either.
  const { ask, said } = dialogue(a, b, limits);
  expect(await exchange(a, b.id, ask, LIMITS)).toMatchObject({ concluded: true });
  expect(tooLarge(said, LIMITS.maxMessageBytes)).toEqual([]);
  expect(a.contents()).toEqual(b.contents());
  expect([knows(a, b), knows(b, a)].every((time) => time > 0)).toBe(true);
});

test("what is asked for beside what comes in parts is asked for again, and nothing sent again for it", async () => {
  // Listings do not tell which side is newer.
  const [a, b] = await writtenApart(0);
  const { outcome, said } = await between(a, b, LIMITS);
  expect(kindsOf(said)).toContain("exchange-more");
  expect(outcome).toMatchObject({ concluded: true, keysSent: KEYS });
  expect(tooLarge(said, LIMITS.maxMessageBytes)).toEqual([]);
  expect(a.contents()).toEqual(b.contents());
});

test("nothing is claimed, on either side, before all of it was fetched, wherever the exchange ends", async () => {
  for (let last = 1; last < 20; last++) {
    const [a, b] = await writtenApart();
    const { ask } = dialogue(a, b, LIMITS);
    let asked = 0;
    const broken: AskPeer = async (request) => {
      if (++asked > last) throw new PeerFault({ code: "unreachable" });
      return await ask(request);
    };
    const ended = await exchange(a, b.id, broken, LIMITS).catch(() => undefined);
    const isEqual = await a.hasRootOf(b);
    expect([knows(a, b) > 0, knows(b, a) > 0 && !isEqual]).toEqual([ended !== undefined, false]);
    if (ended === undefined) continue;
    expect(isEqual).toBe(true);
    return;
  }
  throw new Error("it does not end");
});

test("an answer of small records has no more of them than fit into a message", async () => {
  const [a, b] = await writtenApart();
  const { ask, said } = dialogue(a, b, { ...EXCHANGE_LIMITS, maxRecords: 7 });
  expect(await exchange(a, b.id, ask)).toMatchObject({ concluded: true, keysReceived: KEYS });
  const most = said.map(({ reply }) => ("records" in reply ? reply.records.length : 0));
  expect(Math.max(...most)).toBe(7);
});

test.each(["asks", "answers"])(
  "refusals of what the side that %s holds nothing of keep to the bound, too",
  async (does) => {
    const [a, b] = await unlikePair();
    const { context, siblings } = ghost(FLOOR - 5);
    for (let i = 0; i < KEYS; i++)
      await a.replica.merge([{ key: `key-${i}`, record: { context, siblings } }], a.replica.standing())
        ?.committed;
    const [asking, answering] = does === "asks" ? [b, a] : [a, b];
    const limits = { ...LIMITS, maxMessageBytes: 300 };
    const { ask, said } = dialogue(asking, answering, does === "asks" ? LIMITS : limits);
    const outcome = await exchange(asking, answering.id, ask, does === "asks" ? limits : LIMITS);
    expect(outcome).toMatchObject({ concluded: true });
    const refusals = said.flatMap(({ request, reply }) =>
      [request, reply].flatMap((part) =>
        "refused" in part && part.refused.length > 0 ? [bytesOf(part)] : [],
      ),
    );
    expect(refusals.length).toBeGreaterThan(3);
    expect(Math.max(...refusals)).toBeLessThanOrEqual(300);
    expect([a.contents().size, a.graveyard.ghosts.length]).toEqual([0, KEYS + 1]);
    expect([a.keeper.completeness.complete, b.keeper.completeness.complete]).toEqual([true, true]);
  },
);

test("what is refused in parts is dropped by the other side together with what takes its place", async () => {
  const [a, b] = await unlikePair();
  for (let i = 0; i < KEYS; i++) {
    await a.replica.merge([{ key: `key-${i}`, record: ghost(FLOOR - 5) }], a.replica.standing())?.committed;
    await b.write(`key-${i}`, i % 2 === 0 ? LARGE : undefined);
  }
  // Older for the listing: a sends what it has, and asks for nothing.
  const later = await MemoryReplica.open({ name: "c", nowMs: () => START_MS + 1000 });
  meet(a, b, later);
  for (let i = 0; i < KEYS; i++) {
    await later.write(`key-${i}`, "v");
    const record = later.store.get(`key-${i}`);
    if (record === undefined) throw new Error("unreachable");
    await a.replica.merge([{ key: `key-${i}`, record }], later.replica.standing())?.committed;
  }
  const limits = { ...LIMITS, maxMessageBytes: 4000 };
  const { ask, said } = dialogue(a, b, limits);
  expect(await exchange(a, b.id, ask, LIMITS)).toMatchObject({ concluded: true });
  expect(kindsOf(said)).toContain("exchange-more");
  expect(tooLarge(said, LIMITS.maxMessageBytes)).toEqual([]);
  expect(a.contents()).toEqual(b.contents());
  expect([...a.contents().values()].flat().filter((text) => text.includes("w~"))).toEqual([]);
  expect([a.keeper.completeness.complete, b.keeper.completeness.complete]).toEqual([true, true]);
});

test("an asking side of before that breaks off where an answer comes in parts claims nothing, and is healed the other way round", async () => {
  const [a, b] = await writtenApart();
  const { ask } = dialogue(a, b, LIMITS);
  const old: AskPeer = async (request) => {
    const reply = await ask(request);
    if (reply.kind === "exchange-more") throw new PeerFault({ code: "bad_message", what: "a kind" });
    return reply;
  };
  await expect(exchange(a, b.id, old, LIMITS)).rejects.toThrow("bad_message");
  expect([knows(a, b), knows(b, a)]).toEqual([0, 0]);
  // As an answering side of before does, with all in one message.
  const whole = dialogue(b, a, { ...LIMITS, maxMessageBytes: Number.MAX_SAFE_INTEGER });
  expect(await exchange(b, a.id, whole.ask, LIMITS)).toMatchObject({ concluded: true });
  expect(kindsOf(whole.said)).not.toContain("exchange-more");
  expect(a.contents()).toEqual(b.contents());
  expect(await exchange(a, b.id, old, LIMITS)).toMatchObject({ equal: true, concluded: true });
});

/** The transfer of an exchange, and what asks for the rest of its answer, as they were sent. */
async function transferOf(): Promise<{
  readonly b: MemoryReplica;
  readonly answer: (request: ExchangeRequest) => Promise<ExchangeReply>;
  readonly transfer: ExchangeRequest;
}> {
  const [a, b] = await writtenApart();
  const answerer = new ExchangeAnswerer(b.replica, LIMITS, STANDS_STILL);
  const answer = (request: ExchangeRequest): Promise<ExchangeReply> => answerer.answer(a.id, request);
  let transfer: ExchangeRequest | undefined;
  const broken: AskPeer = async (request) => {
    if (request.kind !== "exchange-transfer") return await answer(request);
    transfer = request;
    throw new PeerFault({ code: "unreachable" });
  };
  await exchange(a, b.id, broken, LIMITS).catch(() => undefined);
  if (transfer === undefined) throw new Error("unreachable");
  return { b, answer, transfer };
}

test("who asks for the rest twice gets it twice, and who asks for none, or sends more first, gets nothing", async () => {
  const { answer, transfer } = await transferOf();
  const first = await answer(transfer);
  if (first.kind !== "exchange-more") throw new Error(first.kind);
  const rest = { kind: "exchange-rest", session: transfer.session, from: first.next } as const;
  const second = await answer(rest);
  expect([second.kind, await answer(rest)]).toEqual(["exchange-more", second]);
  await expect(answer({ ...rest, from: KEYS })).rejects.toMatchObject({ reason: { code: "bad_message" } });
  // What is remembered for a session does not grow by what is sent beside.
  expect(await answer(transfer)).toEqual({ kind: "exchange-void" });
  expect(await answer(rest)).toEqual({ kind: "exchange-void" });
});

test("a peer that sends one key over and over is answered once for it", async () => {
  const { b, answer, transfer } = await transferOf();
  if (transfer.kind !== "exchange-transfer") throw new Error("unreachable");
  const [record] = transfer.records;
  if (record === undefined) throw new Error("unreachable");
  const reply = await answer({ ...transfer, records: Array.from({ length: 1000 }, () => record) });
  expect(reply).toMatchObject({
    kind: "exchange-transferred",
    records: [{ key: record.key, record: b.store.get(record.key) }],
  });
});

test.each([
  ["goes back", [5, 5]],
  ["goes on behind the last record that was sent", [KEYS]],
])("an answer in parts that %s breaks the exchange off, which proves nothing", async (_, nexts) => {
  const [a, b] = await writtenApart();
  const { ask } = dialogue(a, b, { ...LIMITS, maxMessageBytes: Number.MAX_SAFE_INTEGER });
  const left = [...nexts];
  const liar: AskPeer = async (request) => {
    const transferred = { records: [], leftOut: [], refused: [], staying: true };
    const next = left.shift();
    if (request.kind === "exchange-start" || request.kind === "exchange-compare" || next === undefined) {
      if (next !== undefined) left.unshift(next);
      return await ask(request);
    }
    return { kind: "exchange-more", standing: b.replica.standing(), ...transferred, next };
  };
  await expect(exchange(a, b.id, liar, LIMITS)).rejects.toMatchObject({
    reason: { code: "exchange_broken", what: "no rest" },
  });
  expect([knows(a, b), left]).toEqual([0, []]);
});
