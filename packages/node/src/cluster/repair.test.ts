import { ANTI_ENTROPY_DEFAULTS, type AntiEntropyConfig, type Peer, SeededRandom } from "@hearsay/core";
import { expect, test } from "vitest";
import type { AskPeer } from "../exchange/ask.ts";
import { dialogue, exchange, knows, pair } from "../exchange/dialogue.contract.ts";
import { MemoryReplica, meet } from "../exchange/memory-replica.contract.ts";
import type { ExchangeProgress } from "../exchange/outcome.ts";
import { EXCHANGE_LIMITS } from "../exchange/session.ts";
import { PeerFault } from "../peer-fault.ts";
import { REPEAT_LOG_INTERVAL_MS, RepeatLog } from "../repeat-log.ts";
import { EventLog } from "./event-log.contract.ts";
import { ManualTimers, rest } from "./manual-timers.contract.ts";
import { Repair } from "./repair.ts";

const INTERVAL_MS = ANTI_ENTROPY_DEFAULTS.intervalMs;

interface Scheduled {
  readonly a: MemoryReplica;
  readonly b: MemoryReplica;
  readonly repair: Repair;
  readonly timers: ManualTimers;
  readonly log: EventLog;
  /** With whom exchanges ended well; undefined for those that the other began. */
  readonly claimed: (Peer | undefined)[];
  /** What comes of an exchange of member tables. */
  readonly tables: { exchange: () => void };
  /** Exchanges begun in that time. */
  during(ms: number): Promise<number>;
}

/** The first of two replicas repairs itself with the second on its schedule. */
async function scheduled(config: Partial<AntiEntropyConfig> = {}): Promise<Scheduled> {
  const [a, b] = await pair();
  const { ask } = dialogue(a, b, EXCHANGE_LIMITS);
  const timers = new ManualTimers();
  const log = new EventLog();
  const claimed: (Peer | undefined)[] = [];
  const tables = { exchange: (): void => undefined };
  let begun = 0;
  const repair = new Repair(a.replica, { ...ANTI_ENTROPY_DEFAULTS, jitter: 0, ...config }, EXCHANGE_LIMITS, {
    clock: { nowMs: () => 1_900_000_000_000 + timers.monotonicMs() },
    timers,
    transport: {
      request: async (_, message) => {
        switch (message.kind) {
          case "exchange-start":
            begun += 1;
            return await ask(message);
          case "exchange-compare":
          case "exchange-transfer":
            return await ask(message);
          default:
            throw new Error(message.kind);
        }
      },
    },
    random: new SeededRandom(1),
    log,
    troubles: new RepeatLog(log, REPEAT_LOG_INTERVAL_MS, () => timers.monotonicMs()),
    metrics: log,
    livePeers: () => [{ id: b.id, address: "h:1" }],
    exchangeTables: async () => tables.exchange(),
    ended: () => undefined,
    confirmed: () => undefined,
    claimed: (peer) => claimed.push(peer),
  });
  repair.start();
  const during = async (ms: number): Promise<number> => {
    const before = begun;
    await timers.advance(ms);
    while (repair.running > 0) await rest();
    return begun - before;
  };
  return { a, b, repair, timers, log, claimed, tables, during };
}

test("exchanges that keep finding nothing come half as often", async () => {
  const { during, repair } = await scheduled();
  expect(await during(10 * INTERVAL_MS)).toBeGreaterThan(7);
  expect(repair.isCalm).toBe(true);
  expect(await during(10 * INTERVAL_MS)).toBe(5);
});

test("a write here brings the next exchange within one interval, and one exchange at a time goes on", async () => {
  const { during, repair } = await scheduled();
  await during(20 * INTERVAL_MS);
  expect(repair.isCalm).toBe(true);
  for (let i = 0; i < 3; i++) repair.disturbed();
  expect(repair.isCalm).toBe(false);
  expect(await during(INTERVAL_MS)).toBe(1);
  expect(await during(3 * INTERVAL_MS)).toBe(3);
});

test("a difference that only an exchange shows ends the calm", async () => {
  const { b, during, repair } = await scheduled();
  await during(20 * INTERVAL_MS);
  await b.write("k", "v");
  await during(2 * INTERVAL_MS);
  expect(repair.isCalm).toBe(false);
  expect(await during(3 * INTERVAL_MS)).toBe(3);
});

test("a full disk is told once an interval, by its code, and exchanges come ever less often until one succeeds", async () => {
  const { a, during, log, repair } = await scheduled();
  await during(2 * INTERVAL_MS);
  const { flush } = a.replica;
  const full = Object.assign(new Error("the disk is full"), {
    fault: { code: "disk_full", outcome: "none" },
  });
  let tries = 0;
  a.replica.flush = () => {
    tries += 1;
    return Promise.reject(full);
  };
  await during(15 * INTERVAL_MS);
  expect(tries).toBe(4);
  expect(log.of("exchange_crashed")).toEqual([]);
  expect(log.of("exchange_failed")).toEqual([
    { code: "disk_full", reason: "the disk is full", count: 1 },
    { code: "disk_full", reason: "the disk is full", count: 3 },
  ]);
  await during(100 * INTERVAL_MS);
  expect(tries).toBeLessThan(12);
  a.replica.flush = flush.bind(a.replica);
  expect(await during(17 * INTERVAL_MS)).toBeGreaterThan(0);
  repair.disturbed();
  expect(await during(4 * INTERVAL_MS)).toBe(4);
});

test("none is begun with a peer whose own is under way; one that broke off at its start, or has gone silent, is not", async () => {
  const { a, b, repair, during } = await scheduled();
  await b.write("k", "v");
  const start = {
    kind: "exchange-start",
    session: 1,
    tableHash: b.counted.tableHash,
    standing: b.replica.standing(),
    offer: { time: 5, vector: new Map() },
    root: new Uint8Array(32),
  } as const;
  await repair.answer(b.id, start);
  expect(await during(INTERVAL_MS)).toBe(1);
  expect(await a.replica.digests.root()).toBe(await b.replica.digests.root());

  await b.write("k2", "v");
  await repair.answer(b.id, { ...start, session: 2 });
  const compare = { nodes: [{ level: 1, index: 0, children: a.replica.digests.children(1, 0) }] };
  await repair.answer(b.id, { kind: "exchange-compare", session: 2, compare });
  expect(await during(INTERVAL_MS)).toBe(0);
  expect(await during(3 * INTERVAL_MS)).toBeGreaterThan(0);
  expect(await a.replica.digests.root()).toBe(await b.replica.digests.root());
});

test("what an exchange has shown may be told as soon as it has ended, on both sides", async () => {
  const { a, b, repair, claimed, during } = await scheduled();
  await b.write("k", "v");
  await during(2 * INTERVAL_MS);
  expect(claimed).toContainEqual({ id: b.id, address: "h:1" });
  claimed.length = 0;
  await b.write("k2", "v");
  const ask: AskPeer = (request) => repair.answer(b.id, request);
  await exchange(b, a.id, ask);
  await exchange(b, a.id, ask);
  expect(claimed).toEqual([undefined, undefined]);
});

test("what nobody foresaw is an error, and slows exchanges down too", async () => {
  const { a, during, log } = await scheduled();
  a.replica.flush = () => Promise.reject(new Error("surprise"));
  await during(100 * INTERVAL_MS);
  const lines = log.lines.filter(({ event }) => event === "exchange_crashed");
  expect(lines.map(({ level }) => level)).toEqual(lines.map(() => "error"));
  expect(lines.length).toBeGreaterThan(5);
  expect(lines.length).toBeLessThan(12);
});

test("tables that differ are exchanged first, a few times at most", async () => {
  const { a, b, repair, tables } = await scheduled();
  const c = await MemoryReplica.open({ name: "c" });
  const peer = { id: b.id, address: "h:1" };
  meet(b, c);
  let rounds = 0;
  tables.exchange = () => {
    rounds += 1;
    if (rounds === 2) meet(a, b, c);
  };
  expect(await repair.exchange(peer)).toMatchObject({ equal: true });
  expect(rounds).toBe(2);
  meet(b);
  await expect(repair.exchange(peer)).rejects.toMatchObject({ reason: { code: "exchange_broken" } });
  expect(rounds).toBe(5);
});

test("an exchange that breaks off is paid for as well, with what it had moved", async () => {
  const { a, b, repair, during } = await scheduled({ maxBytesPerSecond: 10 });
  await a.write("k", "v");
  const breakOff = ({ bytesSent }: ExchangeProgress): void => {
    if (bytesSent > 0) throw new PeerFault({ code: "busy" });
  };
  await expect(repair.exchange({ id: b.id, address: "h:1" }, breakOff)).rejects.toThrow("busy");
  expect(b.store.get("k")).toBeDefined();
  const begun: number[] = [];
  for (let i = 0; i < 4; i++) begun.push(await during(INTERVAL_MS));
  expect(begun).toEqual([0, 0, 0, 0]);
});

test.each(["on its way", "received"])("what was %s when an exchange broke off is paid for", async (what) => {
  const { a, b, repair, during } = await scheduled({ maxBytesPerSecond: 10 });
  const [from, to] = what === "received" ? [b, a] : [a, b];
  await from.write("k", "v");
  to.store.put = () => Promise.reject(new Error("disk full"));
  await expect(repair.exchange({ id: b.id, address: "h:1" })).rejects.toThrow("disk full");
  const begun: number[] = [];
  for (let i = 0; i < 4; i++) begun.push(await during(INTERVAL_MS));
  expect(begun).toEqual([0, 0, 0, 0]);
});

test("nothing is begun after the stop, whatever disturbs", async () => {
  const { during, repair } = await scheduled();
  await during(20 * INTERVAL_MS);
  repair.stop();
  repair.disturbed();
  expect(await during(10 * INTERVAL_MS)).toBe(0);
});

test("an exchange under way when the node stops ends with its next message, and proves nothing to the peer", async () => {
  const { a, b, repair } = await scheduled();
  await a.write("k", "v");
  const exchange = repair.exchange({ id: b.id, address: "h:1" }, () => repair.stop());
  await expect(exchange).rejects.toThrow("busy");
  expect(knows(b, a)).toBe(0);
});
