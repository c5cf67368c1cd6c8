/** What exchanges make of versions that one side does not know, and when a side is complete after one. */
import {
  hlcFromMs,
  type KeyRecord,
  mergeRecords,
  type NodeId,
  type Sibling,
  type Version,
} from "@hearsay/core";
import { describe, expect, test, vi } from "vitest";
import type { AskPeer } from "./ask.ts";
import { compareReplicas } from "./compare.ts";
import {
  between,
  dialogue,
  exchange,
  FLOOR,
  ghost,
  knows,
  pair,
  unlikePair,
  WRITER,
} from "./dialogue.contract.ts";
import { MemoryReplica, meet, START_MS } from "./memory-replica.contract.ts";
import { EXCHANGE_LIMITS } from "./session.ts";

/** Complete at the floor as well. */
async function third(...others: readonly MemoryReplica[]): Promise<MemoryReplica> {
  const c = await MemoryReplica.open({ name: "c" });
  meet(c, ...others);
  c.keeper.completeness.unit({ ids: [c.id], tableHash: "" }, FLOOR, FLOOR);
  await c.keeper.settleFloor(FLOOR);
  return c;
}

const OTHER: NodeId = "x~0123456789";

function valueAt(version: Version): Sibling {
  return { kind: "value", version, bytes: new Uint8Array(), contentType: "", expiresAtMs: null };
}

function heldTimes({ store }: MemoryReplica, key: string): number[] | undefined {
  return store.get(key)?.siblings.map(({ version }) => version.time);
}

const complete = ({ keeper }: MemoryReplica): boolean => keeper.completeness.complete;

describe("after an exchange with a complete node", () => {
  test.each(["asks", "answers"])(
    "a node that %s has dropped what was refused, and is complete",
    async (does) => {
      const [a, b] = await unlikePair();
      await (does === "asks" ? between(a, b) : between(b, a));
      expect([a.contents().size, b.contents().size, a.graveyard.ghosts.length]).toEqual([0, 0, 1]);
      expect([complete(a), complete(b)]).toEqual([true, true]);
    },
  );

  test("a node has dropped also what was refused beside news while it asked, and it was not told of", async () => {
    const [a, b] = await unlikePair();
    await b.write("k", "news");
    const held = b.store.get("k");
    const old = ghost(FLOOR - 5);
    if (held === undefined) throw new Error("unreachable");
    const both: KeyRecord = {
      context: new Map([...old.context, ...held.context]),
      siblings: [...held.siblings, ...old.siblings],
    };
    const { ask } = dialogue(a, b, EXCHANGE_LIMITS);
    const crossed: AskPeer = async (request) => {
      const reply = await ask(request);
      // As in the last answer of an exchange that the other has begun at the same time.
      if (request.kind === "exchange-transfer" && !request.final)
        await b.replica.merge([{ key: "k", record: both }], { floor: FLOOR, complete: false })?.committed;
      return reply;
    };
    expect(await exchange(a, b.id, crossed)).toMatchObject({ concluded: true });
    expect(new Set(b.graveyard.ghosts.map(({ sibling }) => sibling.version.time))).toEqual(
      new Set([FLOOR - 5]),
    );
    expect(a.contents().get("k")).toEqual(b.contents().get("k"));
    expect(a.contents().get("k")).toHaveLength(1);
    expect([complete(a), complete(b)]).toEqual([true, true]);
  });

  test("a node that asked forgets the damaged records at or below the floor that the other lacks", async () => {
    const [a, b] = await unlikePair();
    await between(a, b);
    expect(a.graveyard.drops).toMatchObject([{ floor: FLOOR }]);
    expect(a.graveyard.drops[0]?.unreadableAt).toBeGreaterThanOrEqual(hlcFromMs(START_MS));
    expect(b.graveyard.drops).toEqual([]);
  });

  test.each(["asking", "answering"] as const)(
    "what is damaged on the %s side is in nobody's way when a deletion of it comes that has just gone at the floor of that side",
    async (side) => {
      const [a, b] = await pair();
      const [damaged, whole] = side === "asking" ? [a, b] : [b, a];
      await whole.write("k", undefined);
      const gone = whole.node.lastWrite;
      await whole.write("l", "v");
      const fault = { code: "record_damaged", key: "k", versions: [{ time: gone, node: whole.id }] };
      const { latest } = damaged.store;
      damaged.store.latest = (key) => {
        if (key === "k") throw Object.assign(new Error("damaged"), { fault });
        return latest.call(damaged.store, key);
      };
      const { ask } = dialogue(a, b, EXCHANGE_LIMITS);
      const rising: AskPeer = async (request) => {
        if (request.kind === "exchange-transfer") damaged.keeper.completeness.adoptWatermark(gone);
        return await ask(request);
      };
      expect(await exchange(a, b.id, rising)).toMatchObject({ concluded: true });
      expect(damaged.contents().get("l")).toHaveLength(1);
      expect(damaged.replica.standing().floor).toBeGreaterThan(whole.replica.standing().floor);
      damaged.store.latest = latest;
      await between(a, b);
      expect(damaged.contents()).toEqual(whole.contents());
      expect([...whole.contents().keys()]).toEqual(["l"]);
    },
  );

  test("nothing damaged is forgotten when the other is not complete either", async () => {
    const [a, b] = await unlikePair();
    await between(b, a);
    expect(complete(a)).toBe(true);
    expect(b.graveyard.drops).toEqual([]);
  });

  test("a node is not complete when another incomplete one has brought something meanwhile", async () => {
    const [a, b] = await unlikePair();
    const { ask } = dialogue(a, b, EXCHANGE_LIMITS);
    const disturbed: AskPeer = async (request) => {
      const reply = await ask(request);
      if (request.kind === "exchange-transfer") {
        const incomplete = { floor: FLOOR, complete: false };
        await a.replica.merge([{ key: "other", record: ghost(FLOOR - 7) }], incomplete)?.committed;
      }
      return reply;
    };
    expect(await exchange(a, b.id, disturbed)).toMatchObject({ concluded: true });
    expect([complete(a), [...a.contents().keys()]]).toEqual([false, ["other"]]);
    await between(a, b);
    expect([complete(a), a.contents().size]).toEqual([true, 0]);
  });

  test("nor when the start of the exchange comes once more after that", async () => {
    const [a, b] = await unlikePair();
    const { ask, said } = dialogue(b, a, EXCHANGE_LIMITS);
    const doubled: AskPeer = async (request) => {
      const reply = await ask(request);
      const [start] = said;
      if (request.kind === "exchange-compare" && start !== undefined) {
        const incomplete = { floor: FLOOR, complete: false };
        await a.replica.merge([{ key: "other", record: ghost(FLOOR - 7) }], incomplete)?.committed;
        await expect(ask(start.request)).rejects.toMatchObject({ reason: { code: "busy" } });
      }
      return reply;
    };
    expect(await exchange(b, a.id, doubled)).toMatchObject({ concluded: true });
    expect([complete(a), [...a.contents().keys()]]).toEqual([false, ["other"]]);
  });

  test("nor when all of an exchange that is over comes once more after that", async () => {
    const [a, b] = await unlikePair();
    const { ask, said } = dialogue(b, a, EXCHANGE_LIMITS);
    await exchange(b, a.id, ask);
    expect(complete(a)).toBe(true);
    await Promise.all([a.store.put("other", ghost(FLOOR - 7)), a.keeper.disturbed()]);
    for (const { request } of [...said]) await ask(request).catch(() => undefined);
    expect(complete(a)).toBe(false);
    await exchange(b, a.id, ask);
    expect([complete(a), a.contents().size]).toEqual([true, 0]);
  });

  test("nor when it comes once more to the next run of the node, which has begun no exchange yet", async () => {
    const [a, b] = await unlikePair();
    const { ask, said } = dialogue(b, a, EXCHANGE_LIMITS);
    await exchange(b, a.id, ask);
    expect(complete(a)).toBe(true);
    await Promise.all([a.store.put("other", ghost(FLOOR - 7)), a.keeper.disturbed()]);
    const again = await MemoryReplica.open({
      name: "a",
      store: a.store,
      company: "members",
      knowsOthers: true,
    });
    meet(again, b);
    const { ask: askAgain } = dialogue(b, again, EXCHANGE_LIMITS);
    for (const { request } of said) await askAgain(request).catch(() => undefined);
    expect([again.id, complete(again)]).toEqual([a.id, false]);
    // What is asked anew counts, as soon as the one who asks has heard how far this node's clock had run.
    for (let meeting = 0; meeting < 2; meeting++) await between(b, again);
    expect([complete(again), again.contents().size]).toEqual([true, 0]);
  });

  test("a node that is yet to be recorded is not complete", async () => {
    const joiner = await MemoryReplica.open({ name: "c", company: "strangers" });
    const founder = await MemoryReplica.open({ name: "d" });
    meet(joiner, founder);
    await between(joiner, founder);
    expect(complete(joiner)).toBe(false);
    await joiner.keeper.recordedByMajority();
    await between(joiner, founder);
    expect(complete(joiner)).toBe(true);
  });
});

describe("a ghost that had replaced a value which the complete node still holds", () => {
  const VALUE = ghost(FLOOR - 9);
  const OTHER_WRITER: NodeId = "x~0123456789";

  /** As `unlikePair`, with several such keys; a knows the values as replaced, and b holds them. */
  async function replacingPair(keys: readonly string[]): Promise<[MemoryReplica, MemoryReplica]> {
    const [a, b] = await unlikePair();
    a.store.committed.records.clear();
    const { context, siblings } = ghost(FLOOR - 5);
    const [sibling] = siblings;
    const replacing: KeyRecord = {
      context: new Map([...VALUE.context, ...context, [OTHER_WRITER, FLOOR - 5]]),
      siblings: [{ ...sibling, version: { time: FLOOR - 5, node: OTHER_WRITER } }],
    };
    for (const key of keys) {
      a.store.committed.records.set(key, replacing);
      b.store.committed.records.set(key, VALUE);
    }
    return [a, b];
  }

  test.each(["asks", "answers"])("gives way to it at a node that %s, in the same exchange", async (does) => {
    const [a, b] = await replacingPair(["k"]);
    await (does === "asks" ? between(a, b) : between(b, a));
    expect([a.store.get("k"), b.store.get("k")]).toEqual([VALUE, VALUE]);
    expect([a.graveyard.ghosts.length, complete(a), complete(b)]).toEqual([1, true, true]);
    await between(b, a);
    expect([a, b].flatMap(({ log }) => log.of("silent_loss_suspected"))).toEqual([]);
  });

  test.each(["asks", "answers"])(
    "goes at a node that %s with nothing between the two, however the exchange is cut up and wherever it ends",
    async (does) => {
      // What is found at once is sent record by record.
      const limits = { ...EXCHANGE_LIMITS, maxMessageBytes: 1 };
      const keys = ["1", "2", "3"];
      for (let last = 1; ; last++) {
        const [a, b] = await replacingPair(keys);
        const [asking, answering] = does === "asks" ? [a, b] : [b, a];
        const { ask } = dialogue(asking, answering, EXCHANGE_LIMITS);
        let asked = 0;
        const broken: AskPeer = async (request) => {
          if (++asked > last) throw new Error("the connection is gone");
          const reply = await ask(request);
          expect([...a.contents().keys()]).toEqual(keys);
          return reply;
        };
        const ended = await exchange(asking, answering.id, broken, limits).catch(() => undefined);
        expect([...a.contents().keys()]).toEqual(keys);
        expect([...b.contents()].map(([, held]) => held.length)).toEqual(keys.map(() => 1));
        if (ended === undefined) continue;
        expect([complete(a), a.contents()]).toEqual([true, b.contents()]);
        break;
      }
    },
  );
});

describe("an old value that its holder gives up between reading and sending it", () => {
  async function expectDropped(...replicas: readonly MemoryReplica[]): Promise<void> {
    expect(replicas.map(complete)).toEqual(replicas.map(() => true));
    for (const { store, log } of replicas) {
      const held = store.get("k")?.siblings ?? [];
      expect(held.filter(({ version }) => version.node === WRITER)).toEqual([]);
      expect(log.of("silent_loss_suspected")).toEqual([]);
    }
  }

  test("as a ghost, and is complete then by another exchange, is not sent as a complete node's by the side that asks", async () => {
    const [a, b] = await unlikePair();
    const c = await third(a, b);
    for (const key of ["1", "2", "3", "4", "5"]) await b.write(key, "v");
    const read = vi.spyOn(a.replica, "read");
    // Each answer lists the buckets of one node, so that what was found first waits while the rest is compared.
    const { ask } = dialogue(a, b, { ...EXCHANGE_LIMITS, maxMessageBytes: 1 });
    const crossed: AskPeer = async (request) => {
      const hasRead = read.mock.calls.some(([key]) => key === "k");
      if (request.kind === "exchange-compare" && hasRead && !complete(a)) await between(c, a);
      return await ask(request);
    };
    await exchange(a, b.id, crossed);
    await expectDropped(a, b, c);
  });

  test("as its deletion has come and is purged, is not sent", async () => {
    const [a, b] = await unlikePair();
    await between(a, b);
    await a.write("k", "v");
    for (const key of ["1", "2", "3", "4", "5"]) await b.write(key, "v");
    const read = vi.spyOn(a.replica, "read");
    const purged = async (): Promise<void> => {
      await a.write("k", undefined);
      const floor = a.node.lastWrite;
      for (const { id, keeper } of [a, b]) {
        keeper.completeness.unit({ ids: [id], tableHash: "" }, floor, floor);
        await keeper.settleFloor(floor);
      }
    };
    const { ask } = dialogue(a, b, { ...EXCHANGE_LIMITS, maxMessageBytes: 1 });
    let isPurged = false;
    const crossed: AskPeer = async (request) => {
      if (request.kind === "exchange-compare" && !isPurged && read.mock.calls.some(([key]) => key === "k")) {
        isPurged = true;
        await purged();
      }
      return await ask(request);
    };
    await exchange(a, b.id, crossed);
    expect([isPurged, complete(a), complete(b)]).toEqual([true, true, true]);
    expect([a.contents().has("k"), b.contents().has("k")]).toEqual([false, false]);
    expect(b.log.of("silent_loss_suspected")).toEqual([]);
  });

  test("as a ghost, and is complete then by another exchange, is not sent as a complete node's by the side that answers", async () => {
    const [a, b] = await unlikePair();
    const c = await third(a, b);
    await b.write("k", "news");
    const merge = a.replica.merge.bind(a.replica);
    vi.spyOn(a.replica, "merge").mockImplementationOnce((...offered) => {
      const batch = merge(...offered);
      if (batch === undefined) throw new Error("unreachable");
      const committed = batch.committed.then(async () => void (await between(c, a)));
      return { ...batch, committed };
    });
    await between(b, a);
    await expectDropped(a, b, c);
  });
});

test("a dry run makes nobody complete", async () => {
  for (const differs of [true, false]) {
    const a = await MemoryReplica.open({ name: "a", company: "strangers" });
    const b = await MemoryReplica.open({ name: "b" });
    meet(a, b);
    await a.keeper.recordedByMajority();
    if (differs) await b.write("k", "v");
    const { ask } = dialogue(b, a, EXCHANGE_LIMITS);
    await compareReplicas(b.replica, EXCHANGE_LIMITS, { session: 1, ask, limit: 10 });
    expect(complete(a)).toBe(false);
  }
});

describe("an exchange whose sides stand at two floors by the time an old version turns up", () => {
  test("ends without a claim when the asking side would have to judge it", async () => {
    const [a, b] = await unlikePair();
    const { ask } = dialogue(b, a, EXCHANGE_LIMITS);
    const outcome = exchange(b, a.id, async (request) => {
      const reply = await ask(request);
      return reply.kind === "exchange-transferred"
        ? { ...reply, standing: { ...reply.standing, floor: FLOOR - 1 } }
        : reply;
    });
    await expect(outcome).rejects.toMatchObject({
      reason: { code: "exchange_broken", what: "floors differ" },
    });
    expect([knows(b, a), b.contents().size, b.graveyard.ghosts.length, a.contents().size]).toEqual([
      0, 0, 0, 1,
    ]);
  });

  test("ends without a claim when the answering side would have to judge it", async () => {
    const [a, b] = await unlikePair();
    const { ask } = dialogue(a, b, EXCHANGE_LIMITS);
    const outcome = exchange(a, b.id, (request) =>
      ask(
        request.kind === "exchange-transfer"
          ? { ...request, standing: { ...request.standing, floor: FLOOR - 1 } }
          : request,
      ),
    );
    await expect(outcome).rejects.toMatchObject({
      reason: { code: "exchange_broken", what: "exchange-void" },
    });
    expect([knows(a, b), knows(b, a), b.graveyard.ghosts.length, a.contents().size]).toEqual([0, 0, 0, 1]);
  });
});

test("who answers is told in the same exchange what was refused of its own record beside news of the other", async () => {
  const [a, b] = await unlikePair();
  await b.write("k", "news");
  await between(b, a);
  expect([a.contents().get("k"), complete(a)]).toEqual([b.contents().get("k"), true]);
  expect([a, b].map(({ graveyard }) => graveyard.ghosts.length)).toEqual([1, 1]);
});

describe("what a complete node has lost without a trace and refuses to an incomplete one as a ghost", () => {
  test.each([
    ["a deletion that is as old", FLOOR - 5],
    ["a value that is newer than the floor", FLOOR + 5],
  ])("stays with the others beside %s, and comes back from them with an alarm", async (_, time) => {
    const [asks, lost] = await unlikePair();
    const has = await third(asks, lost);
    const version = { time, node: OTHER };
    const beside = time > FLOOR ? valueAt(version) : ({ kind: "tombstone", version } as const);
    const both = mergeRecords(ghost(FLOOR - 6), { context: new Map([[OTHER, time]]), siblings: [beside] });
    for (const { store } of [asks, has]) await store.put("k", both);

    await between(asks, lost);
    expect([asks.graveyard.ghosts.length, lost.graveyard.ghosts.length, complete(asks)]).toEqual([
      1,
      1,
      true,
    ]);
    // Of what is left a writer without a context covers all.
    if (time < FLOOR) await asks.write("k", "later");
    for (const replica of [asks, lost]) await between(replica, has);
    for (const replica of [asks, lost, has]) expect(heldTimes(replica, "k")).toContain(FLOOR - 6);
    expect([asks, lost].map(({ replica }) => replica.alarms)).toEqual([1, 1]);
  });
});

test("nobody is asked once more who can be told nothing", async () => {
  const [incomplete, whole] = await unlikePair();
  incomplete.store.committed.records.clear();
  const other = await MemoryReplica.open({ name: "c", company: "strangers" });
  meet(incomplete, whole, other);
  await other.keeper.settleFloor(FLOOR);
  const again = await third(incomplete, whole, other);
  for (const [asking, answering] of [
    [whole, again],
    [other, incomplete],
    [again, other],
  ] as const) {
    await asking.write("news", asking.id);
    const { said } = await between(asking, answering);
    const transfers = said.filter(({ request }) => request.kind === "exchange-transfer");
    expect([asking.id, transfers.length]).toEqual([asking.id, asking === again ? 2 : 1]);
  }
});
