/** Whole exchanges between two replicas in memory. */
import type { KeyRecord } from "@hearsay/core";
import fc from "fast-check";
import { describe, expect, test, vi } from "vitest";
import { ExchangeAnswerer } from "./answer.ts";
import type { AskPeer } from "./ask.ts";
import { between, dialogue, exchange, knows, pair, STANDS_STILL } from "./dialogue.contract.ts";
import { EXCHANGE_LIMITS, recordBytes } from "./session.ts";

describe("an exchange", () => {
  const step = fc.record({
    /** Which replicas it is written on: one of both, or each on its own, which makes siblings. */
    where: fc.constantFrom("a" as const, "b" as const, "each" as const, "a then b" as const),
    key: fc.integer({ min: 0, max: 30 }).map((n) => `key-${n}`),
    text: fc.option(fc.string({ maxLength: 30 }), { nil: undefined }),
  });

  test("makes any two replicas equal, proves it to both, and costs a message each way when repeated", async () => {
    const limits = fc.record({
      maxMessageBytes: fc.constantFrom(1, 200, 1000, 1024 * 1024),
      maxWants: fc.constantFrom(1, 3, 4096),
      maxRecords: fc.constantFrom(1, 3, 16_384),
    });
    await fc.assert(
      fc.asyncProperty(
        fc.array(step, { maxLength: 40 }),
        limits,
        fc.constantFrom(1, 3, 64, 4096),
        async (steps, chosen, buckets) => {
          const [a, b] = await pair(buckets);
          for (const { where, key, text } of steps) {
            if (where !== "b") await a.write(key, text);
            if (where === "a then b") await between(b, a);
            if (where !== "a") await b.write(key, text);
          }
          const all = new Map([...a.contents(), ...b.contents()]);
          const { outcome, said } = await between(a, b, { ...EXCHANGE_LIMITS, ...chosen });
          expect(outcome).toMatchObject({ concluded: true, staying: true });
          expect(a.contents()).toEqual(b.contents());
          expect(new Set(a.contents().keys())).toEqual(new Set(all.keys()));
          expect(await a.hasRootOf(b)).toBe(true);
          // What each said of its time, the other now has.
          const [first] = said;
          if (first?.request.kind !== "exchange-start" || !("offer" in first.reply))
            throw new Error("no start");
          expect(knows(b, a)).toBeGreaterThanOrEqual(first.request.offer.time);
          expect(knows(a, b)).toBeGreaterThanOrEqual(first.reply.offer.time);
          const again = await between(b, a);
          expect(again.outcome).toMatchObject({ equal: true, concluded: true, keysSent: 0, keysReceived: 0 });
          expect(again.said).toHaveLength(1);
        },
      ),
      { numRuns: 150 },
    );
  });

  test.each(["asking", "answering"] as const)(
    "in which the %s side finds a record that it cannot read any more proves nothing to either",
    async (side) => {
      const [a, b] = await pair();
      const holder = side === "asking" ? a : b;
      await holder.write("key", "v");
      holder.store.get = (key) => {
        throw Object.assign(new Error("damaged"), { fault: { code: "record_damaged", key, versions: [] } });
      };
      await expect(between(a, b)).rejects.toThrow("busy");
      expect([knows(a, b), knows(b, a)]).toEqual([0, 0]);
    },
  );

  test("fails as an exchange when the store refuses what came while other work goes on", async () => {
    const [a, b] = await pair();
    await b.write("key", "v");
    const merge = vi.spyOn(a.replica, "merge");
    merge.mockImplementation(() => ({
      merged: [],
      refused: [],
      committed: Promise.reject(new Error("the disk is full")),
    }));
    const { listBucket } = a.replica.digests;
    vi.spyOn(a.replica.digests, "listBucket").mockImplementation(async (bucket) => {
      // Rejections that nobody waits for by then end the process.
      await new Promise((resolve) => setImmediate(resolve));
      return await listBucket.call(a.replica.digests, bucket);
    });
    const { ask } = dialogue(a, b, EXCHANGE_LIMITS);
    const withoutRecords: AskPeer = async (request) => {
      const reply = await ask(request);
      return reply.kind === "exchange-transferred" ? { ...reply, records: [] } : reply;
    };
    await expect(exchange(a, b.id, withoutRecords)).rejects.toThrow("the disk is full");
    expect(merge).toHaveBeenCalled();
  });

  test("does not vouch for what mail has just brought and the store of the peer has yet to commit", async () => {
    const [a, b] = await pair();
    await a.write("k", "v");
    const { ask } = dialogue(a, b, EXCHANGE_LIMITS);
    const afterMail: AskPeer = async (request) => {
      if (request.kind === "exchange-transfer" && request.records.length > 0) {
        b.store.failNext = true;
        b.replica.takeMail(request.records, a.replica.standing()).catch(() => undefined);
      }
      return await ask(request);
    };
    await expect(exchange(a, b.id, afterMail)).rejects.toThrow("disk full");
    expect(knows(b, a)).toBe(0);
    await between(a, b);
    expect(b.contents()).toEqual(a.contents());
  });

  test("is over for the peer only when the walk is: a message that empties the backlog before does not end it", async () => {
    const [a, b] = await pair(4096);
    for (let i = 0; i < 20; i++) await a.write(`key-${i}`, "v");
    const answerer = new ExchangeAnswerer(b.replica, EXCHANGE_LIMITS, STANDS_STILL);
    // The peer answers about one node at a time, so the walk takes many rounds, and every record fills a message.
    const oneAtATime: AskPeer = async (request) => {
      if (request.kind !== "exchange-compare") return await answerer.answer(a.id, request);
      const [first] = request.compare.nodes;
      const compare = { nodes: first === undefined ? [] : [first] };
      const reply = await answerer.answer(a.id, { ...request, compare });
      if (reply.kind !== "exchange-compared") return reply;
      const leftOut = request.compare.nodes.map((_, i) => i).slice(1);
      return { ...reply, reply: { ...reply.reply, leftOut } };
    };
    const claims: number[] = [];
    const outcome = await exchange(
      a,
      b.id,
      async (request) => {
        const reply = await oneAtATime(request);
        if (knows(b, a) > 0) claims.push(b.contents().size);
        return reply;
      },
      { ...EXCHANGE_LIMITS, maxMessageBytes: 1 },
    );
    expect(outcome).toMatchObject({ concluded: true });
    expect(claims).toEqual([20]);
  });

  test("keeps every sibling of concurrent writes, on both sides, whoever asks", async () => {
    for (const turn of [0, 1]) {
      const [a, b] = await pair();
      await a.write("k", "of a");
      await b.write("k", "of b");
      await (turn === 0 ? between(a, b) : between(b, a));
      expect(a.contents().get("k")).toHaveLength(2);
      expect(a.contents()).toEqual(b.contents());
    }
  });

  test("keeps messages within their bounds, but for a record that is larger alone", async () => {
    const [a, b] = await pair();
    for (let i = 0; i < 40; i++)
      await (i % 2 === 0 ? a : b).write(`key-${i}`, "x".repeat(i === 6 ? 3000 : 50));
    const limits = { ...EXCHANGE_LIMITS, maxMessageBytes: 500, maxWants: 4 };
    const { said } = await between(a, b, limits);
    expect(a.contents()).toEqual(b.contents());
    const batches: (readonly { readonly key: string; readonly record: KeyRecord }[])[] = [];
    let wanted = 0;
    for (const { request, reply } of said) {
      if (request.kind === "exchange-transfer") {
        batches.push(request.records);
        const hashes = request.wants.reduce((sum, { keyHashes }) => sum + keyHashes.length, 0);
        expect(hashes).toBeLessThanOrEqual(4);
        wanted += hashes;
      }
      if (reply.kind === "exchange-transferred") batches.push(reply.records);
    }
    expect(wanted).toBeGreaterThanOrEqual(20);
    for (const records of batches) {
      const sizes = records.map(({ key, record }) => recordBytes(key, record));
      const total = sizes.reduce((sum, size) => sum + size, 0);
      if (records.length > 1) expect(total).toBeLessThanOrEqual(500);
    }
  });

  test.each(["asks", "answers"])(
    "notes for a side that %s from whom it takes records, and from nobody else",
    async (does) => {
      const [a, b] = await pair();
      await b.write("k", "v");
      for (const expected of [[b.id], []]) {
        const senders = new Set<string>();
        a.replica.noteSenders(senders);
        await (does === "asks" ? between(a, b) : between(b, a));
        expect([...senders]).toEqual(expected);
        // The other way round there is nothing to take.
        await a.write("l", "v");
      }
      a.replica.noteSenders(undefined);
    },
  );

  test("proves nothing when a retirement is settled meanwhile, on whichever side", async () => {
    const [a, b] = await pair();
    await a.write("k", "v");
    const { ask } = dialogue(a, b, EXCHANGE_LIMITS);
    const outcome = await exchange(a, b.id, async (request) => {
      const reply = await ask(request);
      if (request.kind === "exchange-transfer") await a.keeper.retirementAdopted();
      return reply;
    });
    expect(outcome).toMatchObject({ concluded: false });
    expect(knows(a, b)).toBe(0);
    expect(b.contents()).toEqual(a.contents());

    const other = dialogue(b, a, EXCHANGE_LIMITS);
    await b.write("l", "w");
    const broken = exchange(b, a.id, async (request) => {
      if (request.kind === "exchange-compare") await a.keeper.retirementAdopted();
      return await other.ask(request);
    });
    await expect(broken).rejects.toMatchObject({
      reason: { code: "exchange_broken", what: "exchange-void" },
    });
    expect(knows(a, b)).toBe(0);
  });

  test("waits for member tables to agree", async () => {
    const [a, b] = await pair();
    b.counted = { ...b.counted, tableHash: "f".repeat(16) };
    const { outcome } = await between(a, b);
    expect(outcome).toBeUndefined();
    expect([knows(a, b), knows(b, a)]).toEqual([0, 0]);
  });

  test("tells when the answering side is itself leaving", async () => {
    const [a, b] = await pair();
    b.staying = false;
    expect((await between(a, b)).outcome).toMatchObject({ equal: true, staying: false });
    await a.write("k", "v");
    expect((await between(a, b)).outcome).toMatchObject({ equal: false, staying: false });
  });
});

test("what waits to be sent while a long answer is compared is no more than a message and a bucket", async () => {
  const [a, b] = await pair(4096);
  for (let i = 0; i < 400; i++) await a.write(`key-${i}`, "v");
  const limits = { ...EXCHANGE_LIMITS, maxMessageBytes: 500 };
  const read = vi.spyOn(a.replica, "read");
  // All that differs is listed in one answer.
  const { ask } = dialogue(a, b, EXCHANGE_LIMITS);
  let sent = 0;
  let most = 0;
  const counting: AskPeer = async (request) => {
    most = Math.max(most, read.mock.calls.length - sent);
    if (request.kind === "exchange-transfer") sent += request.records.length;
    return await ask(request);
  };
  expect(await exchange(a, b.id, counting, limits)).toMatchObject({ keysSent: 400 });
  expect(most).toBeLessThan(15);
});

test.each(["asks", "answers"])(
  "what comes to the side that %s while the trees are compared is not listed",
  async (does) => {
    const [a, b] = await pair();
    await a.write("older", "v");
    const [from, to] = does === "asks" ? [b, a] : [a, b];
    await from.write("on its way", "v");
    const record = from.replica.get("on its way");
    if (record === undefined) throw new Error("nothing was written");
    const { said, ask } = dialogue(a, b, EXCHANGE_LIMITS);
    const outcome = await exchange(a, b.id, async (request) => {
      const reply = await ask(request);
      if (reply.kind === "exchange-compared")
        await to.replica.merge([{ key: "on its way", record }], from.replica.standing(), [])?.committed;
      return reply;
    });
    expect(outcome).toMatchObject({ keysSent: 1, keysReceived: 0 });
    const listed = said.flatMap(({ reply }) =>
      reply.kind === "exchange-compared" ? reply.reply.buckets : [],
    );
    expect(listed).toHaveLength(1);
  },
);

test.each([
  [0, 8, 8],
  [20, 5, 7],
  [1000, 4, 4],
])(
  "what is wanted is found, with room to remember %i entries of what was listed, and read again only beyond that",
  async (maxListedEntries, least, most) => {
    const [a, b] = await pair(4);
    for (let i = 0; i < 100; i++) await (i % 2 === 0 ? a : b).write(`k${i}`, "v");
    let read = 0;
    const { listBucket } = b.replica.digests;
    b.replica.digests.listBucket = (bucket) => {
      read += 1;
      return listBucket.call(b.replica.digests, bucket);
    };
    const { outcome } = await between(a, b, { ...EXCHANGE_LIMITS, maxListedEntries });
    expect(outcome).toMatchObject({ keysSent: 50, keysReceived: 50 });
    expect(await a.replica.digests.root()).toBe(await b.replica.digests.root());
    // Four buckets of about twelve: none is remembered, or some are, or all.
    expect(read).toBeGreaterThanOrEqual(least);
    expect(read).toBeLessThanOrEqual(most);
  },
);
