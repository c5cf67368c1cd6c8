import { encodeUtf8, HLC_TICKS_PER_MS, hlcFromMs, INITIAL_COMPLETENESS } from "@hearsay/core";
import { describe, expect, test } from "vitest";
import { MAX_DRIFT_MS, MemoryReplica, meet, START_MS } from "../exchange/memory-replica.contract.ts";
import { IdentityError } from "../identity.ts";
import { MemoryStore } from "../memory-store.contract.ts";
import { PeerFault } from "../peer-fault.ts";
import { rest } from "./manual-timers.contract.ts";

const NOW = hlcFromMs(START_MS);

function storedFloor(store: MemoryStore): unknown {
  const stored = store.committed.meta.get("completeness");
  const state: unknown = JSON.parse(stored === undefined ? "{}" : Buffer.from(stored).toString());
  return typeof state === "object" && state !== null && "floor" in state ? state.floor : undefined;
}

describe("a floor", () => {
  test("is durable before anything is purged to it", async () => {
    const { keeper, graveyard, store } = await MemoryReplica.open({ name: "a" });
    const durable: unknown[] = [];
    const purge = graveyard.purge.bind(graveyard);
    graveyard.purge = (floor) => {
      durable.push(storedFloor(store));
      return purge(floor);
    };
    for (const floor of [NOW, NOW + 1]) await keeper.settleFloor(floor);
    expect(durable).toEqual([NOW, NOW + 1]);
    expect(graveyard.floors).toEqual(durable);
  });

  test("that could not be stored is not purged to, and is when the store takes it", async () => {
    const { keeper, graveyard, store } = await MemoryReplica.open({ name: "a" });
    store.failNext = true;
    await expect(keeper.settleFloor(NOW)).rejects.toThrow("disk full");
    expect(graveyard.floors).toEqual([]);
    await keeper.purge();
    expect([graveyard.floors, storedFloor(store)]).toEqual([[NOW], NOW]);
  });

  test("to which a purge failed is purged to by the next", async () => {
    const { keeper, graveyard } = await MemoryReplica.open({ name: "a" });
    graveyard.failNext = true;
    await expect(keeper.settleFloor(NOW)).rejects.toThrow("disk full");
    await keeper.settleFloor(NOW);
    expect(graveyard.floors).toEqual([NOW]);
  });

  test("is purged to again while it stands still, as what should be gone may still arrive", async () => {
    const { keeper, graveyard, store } = await MemoryReplica.open({ name: "a" });
    await keeper.settleFloor(NOW);
    const version = { time: NOW - 1, node: "b" };
    await store.put("k", { context: new Map([["b", NOW - 1]]), siblings: [{ kind: "tombstone", version }] });
    await keeper.settleFloor(NOW);
    expect(graveyard.floors).toEqual([NOW, NOW]);
    expect(store.get("k")).toBeUndefined();
  });

  test("that is no news is purged to also where the wall clock has been put back behind it", async () => {
    let nowMs = START_MS;
    const { keeper, graveyard } = await MemoryReplica.open({ name: "a", nowMs: () => nowMs });
    await keeper.settleFloor(NOW);
    nowMs -= 10 * MAX_DRIFT_MS;
    await keeper.settleFloor(NOW);
    expect(graveyard.floors).toEqual([NOW, NOW]);
  });

  test("is purged to by one after the other", async () => {
    const { keeper, graveyard } = await MemoryReplica.open({ name: "a" });
    const purge = graveyard.purge.bind(graveyard);
    let running = 0;
    graveyard.purge = async (floor) => {
      expect(++running).toBe(1);
      await rest();
      running -= 1;
      return await purge(floor);
    };
    await Promise.all([1, 3, 2].map((n) => keeper.settleFloor(NOW + n)));
    expect(graveyard.floors).toEqual([...graveyard.floors].sort());
    expect(graveyard.floors.at(-1)).toBe(NOW + 3);
  });

  test("from a clock too far ahead changes nothing", async () => {
    const { keeper, graveyard } = await MemoryReplica.open({ name: "a" });
    const before = keeper.completeness.state;
    const fault = await keeper
      .settleFloor(hlcFromMs(START_MS + MAX_DRIFT_MS + 1))
      .catch((error: unknown) => error);
    expect(fault).toBeInstanceOf(PeerFault);
    expect(fault).toHaveProperty("reason.code", "clock_drift");
    expect([keeper.completeness.state, graveyard.floors]).toEqual([before, []]);
  });

  test("below which something old was taken is no news to the disk where the node was incomplete already", async () => {
    const { keeper, store } = await MemoryReplica.open({ name: "a" });
    await keeper.settleFloor(NOW);
    const { length } = store.batches;
    await keeper.disturbed();
    expect(store.batches).toHaveLength(length);
  });

  test("above what was confirmed makes the node incomplete, which it says", async () => {
    const { keeper, log } = await MemoryReplica.open({ name: "a" });
    await keeper.settleFloor(NOW);
    expect(keeper.completeness.complete).toBe(false);
    expect(log.of("incomplete")).toMatchObject([{ floor: NOW, confirmed: 0 }]);
  });
});

describe("a retirement", () => {
  async function pair(): Promise<{ a: MemoryReplica; b: MemoryReplica }> {
    const a = await MemoryReplica.open({ name: "a" });
    const b = await MemoryReplica.open({ name: "b" });
    meet(a, b);
    // The first look at the table.
    await a.keeper.refresh();
    return { a, b };
  }

  test("counts for claims only when it is settled: what was accepted before is durable, and so is that it is", async () => {
    const { a } = await pair();
    const before = a.counted;
    meet(a);
    const settled = a.keeper.retirementAdopted();
    expect(a.keeper.members).toEqual(before);
    await settled;
    expect(a.keeper.members).toEqual(a.counted);
    expect(a.keeper.completeness.state.settledAt).toBeGreaterThan(0);
    expect(a.store.batches.some(({ meta }) => meta.has("flush"))).toBe(true);
    const stored = Buffer.from(a.store.committed.meta.get("completeness") ?? []).toString();
    expect(stored).toContain(`"settledAt":${a.keeper.completeness.state.settledAt}`);
  });

  test("that comes with another one is settled with that, once", async () => {
    const { a } = await pair();
    meet(a);
    const flushes = (): number => a.store.batches.filter(({ meta }) => meta.has("flush")).length;
    await Promise.all([a.keeper.retirementAdopted(), a.keeper.retirementAdopted()]);
    expect(flushes()).toBe(1);
    await a.keeper.retirementAdopted();
    expect(flushes()).toBe(2);
  });

  test("is settled at a time of after all that was accepted before it is committed", async () => {
    const { a } = await pair();
    meet(a);
    let committedAt = 0;
    const { put } = a.store.meta;
    a.store.meta.put = async (name, value) => {
      await put(name, value);
      if (name === "flush") committedAt = await a.node.tick();
    };
    await a.keeper.retirementAdopted();
    expect(committedAt).toBeGreaterThan(0);
    expect(a.keeper.completeness.state.settledAt).toBeGreaterThan(committedAt);
  });

  test("that could not be settled for a failing store is tried again, and until then counts for nothing", async () => {
    const { a } = await pair();
    const before = a.counted;
    meet(a);
    a.store.failNext = true;
    await a.keeper.retirementAdopted();
    expect(a.log.of("retirement_not_settled")).toHaveLength(1);
    expect(a.keeper.members).toEqual(before);
    await a.keeper.refresh();
    expect(a.keeper.members).toEqual(a.counted);
    expect((await a.keeper.refresh())?.tableHash).toBe(a.counted.tableHash);
  });

  test("is settled after the one before, and each moves the time on", async () => {
    const { a } = await pair();
    const times: number[] = [];
    await Promise.all(
      [1, 2, 3].map(async () => {
        await a.keeper.retirementAdopted();
        times.push(a.keeper.completeness.state.settledAt);
      }),
    );
    expect(times).toEqual([...times].sort());
    expect(a.keeper.members).toEqual(a.counted);
  });

  test("does not leave a unit of before it standing, whenever that was begun", async () => {
    for (let head = 0; head < 40; head++) {
      const { a } = await pair();
      const turns = async (count: number): Promise<void> => {
        for (let turn = 0; turn < count; turn++) await Promise.resolve();
      };
      const adopt = turns(20).then(() => {
        meet(a);
        return a.keeper.retirementAdopted();
      });
      await Promise.all([adopt, turns(head).then(() => a.keeper.refresh())]);
      const unit = await a.keeper.refresh();
      expect([head, unit?.tableHash]).toEqual([head, a.counted.tableHash]);
    }
  });

  test("has no unit made meanwhile for members of longer ago, whenever that was begun", async () => {
    for (let head = 0; head < 40; head++) {
      const a = await MemoryReplica.open({ name: "a" });
      const alone = a.counted;
      meet(a, await MemoryReplica.open({ name: "b" }));
      const turns = async (count: number): Promise<void> => {
        for (let turn = 0; turn < count; turn++) await Promise.resolve();
      };
      const adopt = turns(20).then(() => a.keeper.retirementAdopted());
      const units = await Promise.all([turns(head).then(() => a.keeper.refresh()), adopt]);
      expect([head, units[0]?.tableHash]).not.toEqual([head, alone.tableHash]);
      expect([head, a.keeper.completeness.watermark]).toEqual([head, 0]);
    }
  });

  test("moves no watermark until it is settled", async () => {
    const { a, b } = await pair();
    const { completeness } = a.keeper;
    const { tableHash } = a.counted;
    const offer = { time: NOW, vector: new Map() };
    completeness.exchanged(b.id, offer, { floor: 0, complete: true }, completeness.begin());
    await a.keeper.refresh();
    a.store.failNext = true;
    await a.keeper.retirementAdopted();
    a.keeper.absorb(b.id, { sequence: NOW, completeThrough: NOW, settledAt: 0, tableHash, complete: true });
    a.keeper.advance();
    expect(completeness.watermark).toBe(0);
    await a.keeper.refresh();
    expect(a.keeper.members).toEqual(a.counted);
  });

  test("counts for nobody, and moves no watermark, while what was accepted before it is being committed", async () => {
    const { a, b } = await pair();
    const before = a.counted;
    const { completeness } = a.keeper;
    const { tableHash } = before;
    const offer = { time: NOW, vector: new Map() };
    completeness.exchanged(b.id, offer, { floor: 0, complete: true }, completeness.begin());
    await a.keeper.refresh();
    let goOn: () => void = () => undefined;
    const { put } = a.store.meta;
    a.store.meta.put = async (name, value) => {
      if (name === "flush") await new Promise<void>((resolve) => (goOn = resolve));
      await put(name, value);
    };
    meet(a);
    const settled = a.keeper.retirementAdopted();
    await rest();
    a.keeper.absorb(b.id, { sequence: NOW, completeThrough: NOW, settledAt: 0, tableHash, complete: true });
    a.keeper.advance();
    expect([a.keeper.members, completeness.watermark]).toEqual([before, 0]);
    goOn();
    await settled;
    expect(a.keeper.members).toEqual(a.counted);
  });

  test("makes exchanges under way prove nothing", async () => {
    const { a } = await pair();
    const begun = a.keeper.completeness.begin();
    await a.keeper.retirementAdopted();
    expect(a.keeper.completeness.isVoid(begun)).toBe(true);
  });
});

describe("what is known", () => {
  test("survives a restart: of it a new incarnation keeps floor and watermark, and nothing who was alone and joins others", async () => {
    const store = new MemoryStore();
    const first = await MemoryReplica.open({ name: "a", store, retention: 5 * HLC_TICKS_PER_MS });
    const offer = { time: 77, vector: new Map() };
    const { completeness } = first.keeper;
    completeness.exchanged("b~0123456789", offer, { floor: 0, complete: true }, completeness.begin());
    completeness.unit(first.counted, NOW, NOW);
    first.keeper.adoptWatermark(NOW);
    await first.keeper.save();
    const state = first.keeper.completeness.state;
    expect(state).toMatchObject({ watermark: NOW, floor: NOW - 5 * HLC_TICKS_PER_MS });
    expect(state).toMatchObject({ recorded: true, complete: true });
    const again = await MemoryReplica.open({ name: "a", store, company: "members" });
    expect(again.keeper.completeness.state).toEqual(state);
    const forgotten = { vector: new Map(), completeFloor: 0, complete: false, recorded: false };
    const company = "strangers";
    const knowsOthers = true;
    const fresh = await MemoryReplica.open({ name: "a", store, incarnation: "fresh", company, knowsOthers });
    expect(fresh.keeper.completeness.state).toEqual({ ...state, ...forgotten });
    for (const incarnation of ["same", "fresh"] as const) {
      const stranger = await MemoryReplica.open({ name: "a", store, incarnation, company });
      expect(stranger.keeper.completeness.state).toEqual(INITIAL_COMPLETENESS);
    }
    const newcomer = await MemoryReplica.open({ name: "a", store, incarnation: "newcomer" });
    expect(newcomer.keeper.completeness.state).toMatchObject({ watermark: 0, floor: 0 });
  });

  test("by an id that is another one now counts for nothing, also when the start in between has ended too early", async () => {
    const store = new MemoryStore();
    const first = await MemoryReplica.open({ name: "a", store });
    const { completeness } = first.keeper;
    const offer = { time: 77, vector: new Map() };
    completeness.exchanged("b~0123456789", offer, { floor: 0, complete: true }, completeness.begin());
    await first.keeper.save();
    const stored = Buffer.from(store.committed.meta.get("completeness") ?? []).toString();
    await store.meta.put("completeness", encodeUtf8(stored.replace(first.id, "a~zzzzzzzzzz")));
    const among = { name: "a", store, company: "strangers", knowsOthers: true } as const;
    const second = await MemoryReplica.open(among);
    expect(second.keeper.completeness.state).toMatchObject({ complete: false, recorded: false });
    expect(second.keeper.completeness.state.vector.size).toBe(0);
    // By its own id it would count, but for that others have yet to say that they know it.
    await store.meta.put("completeness", encodeUtf8(stored));
    const third = await MemoryReplica.open(among);
    expect(third.keeper.completeness.state).toMatchObject({ complete: false, recorded: false });
    expect(third.keeper.completeness.state.vector.size).toBe(1);
  });

  test("by an older build does not say that it is complete, which is found again by an exchange", async () => {
    const store = new MemoryStore();
    const text = '{"vector":[],"completeFloor":9,"floor":5,"watermark":7,"settledAt":1}';
    await store.meta.put("completeness", encodeUtf8(text));
    const { keeper } = await MemoryReplica.open({ name: "a", store, company: "members" });
    expect(keeper.completeness.state).toMatchObject({ complete: false, recorded: true, floor: 5 });
  });

  test("says whether the directory has belonged to the cluster, also of an id before", async () => {
    const company = "strangers";
    const store = new MemoryStore();
    const first = await MemoryReplica.open({ name: "a", store, company });
    await first.keeper.save();
    const second = await MemoryReplica.open({ name: "a", store, company: "members", knowsOthers: true });
    expect([first.keeper.hasBelonged, second.keeper.hasBelonged]).toEqual([false, false]);
    await second.keeper.recordedByMajority();
    const again = await MemoryReplica.open({ name: "a", store, company: "members" });
    const fresh = { name: "a", store, incarnation: "fresh" as const, company } as const;
    const other = await MemoryReplica.open({ ...fresh, knowsOthers: true });
    const stranger = await MemoryReplica.open(fresh);
    const newcomer = await MemoryReplica.open({ name: "a", store, incarnation: "newcomer", company });
    const belonged = [again, other, stranger, newcomer].map(({ keeper }) => keeper.hasBelonged);
    expect(belonged).toEqual([true, true, false, false]);
    // Whoever goes on alone is a member from then on.
    const newStore = new MemoryStore();
    await (await MemoryReplica.open({ name: "b", store: newStore, company })).keeper.save();
    const alone = await MemoryReplica.open({
      name: "b",
      store: newStore,
      incarnation: "fresh",
      company: "nobody",
    });
    expect(alone.keeper.hasBelonged).toBe(true);
    const outside = [again, other, stranger, newcomer].map(({ keeper }) => keeper.isOutside);
    expect(outside).toEqual([false, false, true, true]);
  });

  test("of a node that was alone stays what it is until others let it in, and is none of theirs then", async () => {
    const store = new MemoryStore();
    const alone = await MemoryReplica.open({ name: "a", store, company: "nobody" });
    alone.keeper.adoptWatermark(9_000_000);
    await alone.keeper.save();
    const { state } = alone.keeper.completeness;
    expect(state.floor).toBeGreaterThan(0);
    const told = [
      { company: "strangers" },
      { company: "strangers", incarnation: "newcomer" },
      // It has had other ids before.
      { company: "members", incarnation: "newcomer" },
    ] as const;
    for (const beginning of [...told, ...told]) {
      const { keeper } = await MemoryReplica.open({ name: "a", store, ...beginning });
      await keeper.start();
      await keeper.save();
      expect([keeper.isOutside, keeper.completeness.floor]).toEqual([true, 0]);
    }
    const again = await MemoryReplica.open({ name: "a", store, company: "nobody" });
    expect(again.keeper.completeness.state).toEqual(state);
    const joining = await MemoryReplica.open({ name: "a", store, company: "strangers" });
    const { put } = store.meta;
    store.meta.put = () => Promise.reject(new Error("disk full"));
    await expect(joining.keeper.letIn(["b:1"], null)).rejects.toThrow("disk full");
    expect(joining.keeper.isOutside).toBe(true);
    store.meta.put = put;
    await joining.keeper.letIn(["b:1"], null);
    const joined = await MemoryReplica.open({ name: "a", store, company: "members" });
    expect(joined.keeper.letInAt).toEqual(["b:1"]);
    expect([joined.keeper.isOutside, joined.keeper.completeness.floor]).toEqual([false, 0]);
  });

  test("notes where a node is let in, before anything else of it, until it is a member, and a disk that fails leaves it as it was", async () => {
    const store = new MemoryStore();
    const { keeper } = await MemoryReplica.open({ name: "a", store, company: "strangers" });
    const letInAt = async (): Promise<readonly string[]> =>
      (await MemoryReplica.open({ name: "a", store, company: "strangers" })).keeper.letInAt;
    store.failNext = true;
    await expect(keeper.letIn(["b:1", "c:1"], null)).rejects.toThrow("disk full");
    expect([keeper.letInAt, await letInAt()]).toEqual([[], []]);
    await keeper.save();
    const again = await MemoryReplica.open({ name: "a", store, company: "strangers" });
    expect(again.keeper.isOutside).toBe(false);
    await keeper.letIn(["b:1", "c:1"], null);
    await keeper.save();
    expect(await letInAt()).toEqual(["b:1", "c:1"]);
    const { length } = store.batches;
    await keeper.letIn(["b:1", "c:1"], null);
    expect(store.batches).toHaveLength(length);
    await keeper.recordedByMajority();
    await keeper.letIn(["d:1"], null);
    expect([keeper.letInAt, await letInAt()]).toEqual([[], []]);
  });

  test.each(["b:1", "c:1"])(
    "says to nobody that it is durable where a node is let in while it is being stored for another who asked: %s",
    async (second) => {
      const store = new MemoryStore();
      const { keeper } = await MemoryReplica.open({ name: "a", store, company: "strangers" });
      const { put } = store.meta;
      let takes: (isTaken: boolean) => void = () => undefined;
      store.meta.put = async (name, value) => {
        const isTaken = await new Promise<boolean>((resolve) => {
          takes = resolve;
        });
        if (!isTaken) throw new Error("disk full");
        await put(name, value);
      };
      const told: string[] = [];
      const letIn = [["b:1"], [second]].map((at) =>
        keeper.letIn(at, null).then(
          () => told.push("durable"),
          () => told.push("not durable"),
        ),
      );
      await rest();
      expect([told, keeper.mayBeRecorded]).toEqual([[], false]);
      takes(false);
      await rest();
      expect([told, keeper.mayBeRecorded]).toEqual([["not durable"], false]);
      takes(true);
      await Promise.all(letIn);
      expect([told, keeper.mayBeRecorded, keeper.letInAt]).toEqual([
        ["not durable", "durable"],
        true,
        [second],
      ]);
    },
  );

  test.each([
    ["same", ["b:1"], false],
    ["fresh", ["b:1"], false],
    ["same", [], true],
    ["fresh", [], true],
    // By an older build, which did not note it.
    ["same", undefined, false],
    ["fresh", undefined, false],
  ] as const)(
    "lets a node that was to join, %s, and was let in at %j begin by itself: %s",
    async (incarnation, letInAt, begins) => {
      const store = new MemoryStore();
      const first = await MemoryReplica.open({ name: "a", store, company: "strangers" });
      await first.keeper.letIn(["x:1"], null);
      const stored = Buffer.from(store.committed.meta.get("completeness") ?? []).toString();
      expect(stored).toContain('"letInAt":["x:1"]');
      const text = letInAt === undefined ? "" : `"letInAt":${JSON.stringify(letInAt)},`;
      await store.meta.put("completeness", encodeUtf8(stored.replace('"letInAt":["x:1"],', text)));
      const { keeper } = await MemoryReplica.open({ name: "a", store, incarnation, company: "nobody" });
      const { recorded, complete } = keeper.completeness;
      const isFounder = begins && incarnation === "same";
      expect([recorded, keeper.hasBelonged, complete]).toEqual([begins, begins, isFounder]);
      expect(keeper.letInAt).toEqual(letInAt ?? []);
    },
  );

  test.each([
    ["nobody", true],
    ["strangers", false],
  ] as const)(
    "is nothing for a new node that finds %s, and so it is complete: %s",
    async (company, isFounder) => {
      const { keeper } = await MemoryReplica.open({ name: "a", company });
      expect(keeper.completeness.state).toMatchObject({ recorded: isFounder, complete: isFounder });
    },
  );

  test.each([
    "",
    "null",
    "{",
    "[]",
    '{"vector":[],"completeFloor":0,"floor":0,"watermark":0}',
    '{"vector":[],"completeFloor":0,"floor":-1,"watermark":0,"settledAt":0}',
    '{"vector":[["b",1]],"completeFloor":0,"floor":0,"watermark":0,"settledAt":0}',
    '{"vector":[["b~0123456789"]],"completeFloor":0,"floor":0,"watermark":0,"settledAt":0}',
  ])(
    "and cannot be read stops the start, for a floor that is lost lets the dead come back: %s",
    async (text) => {
      const store = new MemoryStore();
      await store.meta.put("completeness", encodeUtf8(text));
      const fault = await MemoryReplica.open({ name: "a", store }).catch((error: unknown) => error);
      expect(fault).toBeInstanceOf(IdentityError);
      expect(fault).toHaveProperty("fault.code", "membership_unreadable");
    },
  );

  test("from before is settled at the start: the run before may have stopped in between", async () => {
    const { keeper, store } = await MemoryReplica.open({ name: "a" });
    await keeper.start();
    await rest();
    expect(keeper.completeness.state.settledAt).toBeGreaterThan(0);
    expect(store.committed.meta.has("completeness")).toBe(true);
  });
});
