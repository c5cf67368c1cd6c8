/** Whole exchanges between two replicas in memory, with good peers and with bad ones. */
import {
  type ExchangeReply,
  type ExchangeRequest,
  encodeUtf8,
  hlcFromMs,
  type KeyRecord,
  type NodeId,
} from "@hearsay/core";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { PeerFault } from "../peer-fault.ts";
import { ExchangeAnswerer } from "./answer.ts";
import { type AskPeer, ExchangeAsker, type ExchangeOutcome } from "./ask.ts";
import { MAX_DRIFT_MS, MemoryReplica, meet, START_MS } from "./memory-replica.contract.ts";
import { EXCHANGE_LIMITS, type ExchangeLimits, recordBytes } from "./session.ts";

async function pair(buckets = 64): Promise<[MemoryReplica, MemoryReplica]> {
  const a = await MemoryReplica.open({ name: "a", buckets });
  const b = await MemoryReplica.open({ name: "b", buckets });
  meet(a, b);
  return [a, b];
}

interface Dialogue {
  readonly said: { readonly request: ExchangeRequest; readonly reply: ExchangeReply }[];
  readonly ask: AskPeer;
}

function dialogue(asking: MemoryReplica, answering: MemoryReplica, limits: ExchangeLimits): Dialogue {
  const answerer = new ExchangeAnswerer(answering.replica, limits);
  const said: Dialogue["said"] = [];
  const ask: AskPeer = async (request) => {
    const reply = await answerer.answer(asking.id, request, 0);
    said.push({ request, reply });
    return reply;
  };
  return { said, ask };
}

let session = 0;

async function exchange(
  asking: MemoryReplica,
  peer: NodeId,
  ask: AskPeer,
  limits: ExchangeLimits = EXCHANGE_LIMITS,
): Promise<ExchangeOutcome | undefined> {
  session += 1;
  return await new ExchangeAsker(asking.replica, limits, {
    peer,
    session,
    ask,
    onProgress: () => undefined,
  }).run();
}

async function between(
  asking: MemoryReplica,
  answering: MemoryReplica,
  limits: ExchangeLimits = EXCHANGE_LIMITS,
): Promise<{ readonly outcome: ExchangeOutcome | undefined; readonly said: Dialogue["said"] }> {
  const { said, ask } = dialogue(asking, answering, limits);
  return { outcome: await exchange(asking, answering.id, ask, limits), said };
}

function knows(replica: MemoryReplica, other: MemoryReplica): number {
  return replica.keeper.completeness.state.vector.get(other.id) ?? 0;
}

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

  test("is over for the peer only when the walk is: a message that empties the backlog before does not end it", async () => {
    const [a, b] = await pair(4096);
    for (let i = 0; i < 20; i++) await a.write(`key-${i}`, "v");
    const answerer = new ExchangeAnswerer(b.replica, EXCHANGE_LIMITS);
    // The peer answers about one node at a time, so the walk takes many rounds, and every record fills a message.
    const oneAtATime: AskPeer = async (request) => {
      if (request.kind !== "exchange-compare") return await answerer.answer(a.id, request, 0);
      const [first] = request.compare.nodes;
      const compare = { nodes: first === undefined ? [] : [first] };
      const reply = await answerer.answer(a.id, { ...request, compare }, 0);
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
      // An answer may exceed the bound by the record that fills it.
      expect(total - Math.max(0, ...sizes)).toBeLessThan(500);
    }
  });

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
    const answerer = new ExchangeAnswerer(b.replica, EXCHANGE_LIMITS);
    await expect(answerer.answer(a.id, request(a), 0)).rejects.toMatchObject({
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

describe("a peer that does not keep to the rules", () => {
  async function asking(): Promise<MemoryReplica> {
    const [a] = await pair();
    for (let i = 0; i < 10; i++) await a.write(`key-${i}`, "v");
    return a;
  }

  const standing = { floor: 0, complete: true };
  const offer = { time: 1, vector: new Map() };
  const children = new Uint8Array(128).fill(1);
  const differs: ExchangeReply = { kind: "exchange-differs", standing, offer, children, wallMs: null };
  const transferred: ExchangeReply = {
    kind: "exchange-transferred",
    standing,
    records: [],
    leftOut: [],
    refused: [],
    staying: true,
  };
  const nothing: ExchangeReply = {
    kind: "exchange-compared",
    reply: { nodes: [], buckets: [], leftOut: [] },
  };

  /** Leads the walk to one bucket, below the first child of the first node asked about, and lists these entries in it. */
  function listing(request: ExchangeRequest, entries: Uint8Array): ExchangeReply | undefined {
    if (request.kind === "exchange-start") return differs;
    if (request.kind !== "exchange-compare") return undefined;
    const [node] = request.compare.nodes;
    const index = (node?.index ?? 0) * 16;
    const [nodes, buckets] =
      node?.level === 1 ? [[{ level: 2, index, children }], []] : [[], [{ bucket: index, entries }]];
    return { kind: "exchange-compared", reply: { nodes, buckets, leftOut: [] } };
  }
  const oneRecord = new Uint8Array(19).fill(7);

  test.each<[string, (request: ExchangeRequest) => ExchangeReply]>([
    ["answers a start with something else", () => transferred],
    ["has no session from the start", () => ({ kind: "exchange-void" })],
    ["says it differs with hashes of a wrong length", () => ({ ...differs, children: new Uint8Array(8) })],
    ["answers a comparison with something else", () => differs],
    [
      "names nodes nobody asked about",
      ({ kind }) =>
        kind === "exchange-start"
          ? differs
          : {
              kind: "exchange-compared",
              reply: { nodes: [{ level: 2, index: 9999, children }], buckets: [], leftOut: [] },
            },
    ],
    [
      "leaves out everything it is asked about",
      ({ kind }) =>
        kind === "exchange-start"
          ? differs
          : { kind: "exchange-compared", reply: { nodes: [], buckets: [], leftOut: [...Array(16).keys()] } },
    ],
    ["lists entries that are none", (request) => listing(request, new Uint8Array(5)) ?? transferred],
    ["answers a transfer with something else", ({ kind }) => (kind === "exchange-start" ? differs : nothing)],
  ])("and %s ends the exchange, which proves nothing", async (_, answer) => {
    const a = await asking();
    const peer: NodeId = "liar~0123456789";
    const fault = await exchange(a, peer, async (request) => answer(request)).catch(
      (error: unknown) => error,
    );
    expect(fault).toBeInstanceOf(PeerFault);
    expect(fault).toHaveProperty("reason.code", expect.stringMatching(/^(exchange_broken|bad_message)$/));
    expect(a.keeper.completeness.state.vector.size).toBe(0);
    expect(a.contents().size).toBe(10);
  });

  test("and lists what it then leaves out for ever is given up at once", async () => {
    const a = await asking();
    let transfers = 0;
    const fault = await exchange(a, "liar~0123456789", async (request) => {
      const listed = listing(request, oneRecord);
      if (listed !== undefined) return listed;
      transfers += 1;
      const leftOut = request.kind === "exchange-transfer" ? request.wants : [];
      return { ...transferred, leftOut };
    }).catch((error: unknown) => error);
    expect(fault).toMatchObject({ reason: { code: "exchange_broken", what: "nothing was sent" } });
    expect(transfers).toBe(1);
  });

  test("and sends something else for what it leaves out, without end, is given up after so many transfers", async () => {
    const a = await asking();
    let made = 0;
    const node: NodeId = "liar~0123456789";
    const limits = { ...EXCHANGE_LIMITS, maxTransfers: 50 };
    const fault = await exchange(
      a,
      node,
      async (request) => {
        const listed = listing(request, oneRecord);
        if (listed !== undefined) return listed;
        made += 1;
        const version = { time: hlcFromMs(START_MS) + made, node };
        const record: KeyRecord = {
          context: new Map([[node, version.time]]),
          siblings: [{ kind: "value", version, bytes: encodeUtf8("x"), contentType: "", expiresAtMs: null }],
        };
        const leftOut = request.kind === "exchange-transfer" ? request.wants : [];
        return { ...transferred, records: [{ key: `made-up-${made}`, record }], leftOut };
      },
      limits,
    ).catch((error: unknown) => error);
    expect(fault).toMatchObject({ reason: { code: "exchange_broken", what: "no end" } });
    expect([made, knows(a, a)]).toEqual([50, 0]);
    expect(a.keeper.completeness.state.vector.size).toBe(0);
  });
});

describe("the answering side", () => {
  async function started(limits: Partial<ExchangeLimits> = {}) {
    const [a, b] = await pair();
    await b.write("k", "v");
    const answerer = new ExchangeAnswerer(b.replica, { ...EXCHANGE_LIMITS, ...limits });
    const start = async (number: number, nowMs = 0): Promise<ExchangeReply> =>
      await answerer.answer(
        a.id,
        {
          kind: "exchange-start",
          session: number,
          tableHash: a.counted.tableHash,
          standing: a.replica.standing(),
          offer: { time: 5, vector: new Map() },
          root: new Uint8Array(32),
        },
        nowMs,
      );
    const final = async (number: number, nowMs = 0): Promise<ExchangeReply> =>
      await answerer.answer(
        a.id,
        {
          kind: "exchange-transfer",
          session: number,
          standing: a.replica.standing(),
          records: [],
          wants: [],
          refused: [],
          final: true,
        },
        nowMs,
      );
    return { a, b, answerer, start, final };
  }

  test("has so many sessions open, tells one more to come back, and has room again when one is idle", async () => {
    const { answerer, start } = await started({ maxSessions: 2, sessionIdleMs: 100 });
    await start(1);
    await start(2, 60);
    await expect(start(3, 60)).rejects.toMatchObject({ reason: { code: "busy" } });
    expect((await start(3, 101)).kind).toBe("exchange-differs");
    expect(answerer.size).toBe(2);
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

  test("refuses a comparison of nodes that are none", async () => {
    const { a, start, answerer } = await started();
    await start(1);
    const compare = { nodes: [{ level: 9, index: 0, children: new Uint8Array(128) }] };
    await expect(
      answerer.answer(a.id, { kind: "exchange-compare", session: 1, compare }, 0),
    ).rejects.toMatchObject({ reason: { code: "bad_message" } });
  });
});
