import { HLC_TICKS_PER_MS, INITIAL_COMPLETENESS } from "@hearsay/core";
import { describe, expect, test } from "vitest";
import { MemoryReplica } from "../exchange/memory-replica.contract.ts";
import { MemoryStore } from "../memory-store.contract.ts";
import type { CompletenessKeeper } from "./completeness-keeper.ts";
import { FRIEND, introduce, start } from "./lone-member.contract.ts";
import { NO_ENTRY, storeCompleteness } from "./stored-completeness.ts";

const NOW = 2_000_000_000_000 * HLC_TICKS_PER_MS;

type Options = Omit<NonNullable<Parameters<typeof MemoryReplica.open>[0]>, "name" | "store">;

/** A node that came into doubt with nobody else in its table, and how its next runs are opened. */
async function aloneInDoubt(): Promise<
  [CompletenessKeeper, (options?: Options) => Promise<CompletenessKeeper>]
> {
  const store = new MemoryStore();
  const open = async (options: Options = {}): Promise<CompletenessKeeper> =>
    (await MemoryReplica.open({ name: "a", store, retention: 5 * HLC_TICKS_PER_MS, ...options })).keeper;
  await (await open()).save();
  const keeper = await open({ incarnation: "fresh" });
  keeper.adoptWatermark(NOW);
  await keeper.save();
  expect(keeper.completeness.state).toMatchObject({ watermark: NOW, recorded: true });
  return [keeper, open];
}

describe("a node that came into doubt alone", () => {
  test("goes on as it is while it is alone, and once a newcomer has entered", async () => {
    const [keeper, open] = await aloneInDoubt();
    const { state } = keeper.completeness;
    expect([keeper.isAloneInDoubt, (await open()).isAloneInDoubt]).toEqual([true, true]);
    await keeper.foundBy("newcomer");
    const again = await open({ company: "members", knowsOthers: true });
    for (const one of [keeper, again]) expect(one.isAloneInDoubt).toBe(false);
    expect(again.completeness.state).toEqual(state);
  });

  test("starts over where others find it, also where its run ends before anything of that is on its disk", async () => {
    const [keeper, open] = await aloneInDoubt();
    const among = { company: "members", knowsOthers: true } as const;
    const cutOff = await open(among);
    expect(cutOff.completeness.state).toEqual(INITIAL_COMPLETENESS);
    await keeper.foundBy("others");
    expect(keeper.isAloneInDoubt).toBe(false);
    for (const one of [keeper, await open(among)]) {
      expect(one.completeness.state).toMatchObject({
        watermark: 0,
        floor: 0,
        complete: false,
        recorded: false,
      });
    }
    keeper.adoptWatermark(NOW);
    await keeper.save();
    const { watermark, recorded } = (await open(among)).completeness.state;
    expect([watermark, recorded]).toEqual([NOW, false]);
    await keeper.recordedByMajority();
    expect((await open({ ...among, company: "nobody" })).isAloneInDoubt).toBe(false);
  });

  test("purges no further by its own floor once others have found it", async () => {
    const store = new MemoryStore();
    await (await MemoryReplica.open({ name: "a", store })).keeper.save();
    const retention = 5 * HLC_TICKS_PER_MS;
    const { keeper, graveyard } = await MemoryReplica.open({
      name: "a",
      store,
      retention,
      incarnation: "fresh",
    });
    keeper.adoptWatermark(NOW);
    const floors: number[] = [];
    graveyard.purge = async (floor) => {
      floors.push(floor);
      if (floors.length === 2) await keeper.foundBy("others");
      return { purged: 1, more: floors.length < 9 };
    };
    await keeper.purge();
    expect(floors).toHaveLength(2);
    expect(floors[0]).toBeGreaterThan(0);
    expect(keeper.completeness.floor).toBe(0);
  });

  test("is alone again where its disk has lost who they were", async () => {
    const [keeper, open] = await aloneInDoubt();
    await keeper.foundBy("others");
    const again = await open();
    expect([again.isAloneInDoubt, again.completeness.complete]).toEqual([true, false]);
  });
});

test("who was found by others and then alone again takes writes, also where its disk names only those that are retired", async () => {
  const store = new MemoryStore();
  const first = await start(store);
  await introduce(first, FRIEND);
  await first.member.forget(FRIEND.id);
  await first.member.stop();
  const state = { ...INITIAL_COMPLETENESS, recorded: false };
  const stored = { state, hasBelonged: true, isAloneInDoubt: true, ...NO_ENTRY };
  await storeCompleteness(store.meta, first.member.id, stored);
  const { member } = await start(store);
  expect([member.notWritable(), member.keeper.isAloneInDoubt]).toEqual([undefined, true]);
});

test("who began a cluster is not in doubt, and who has lost what it knew is", async () => {
  const open = async (options: Options = {}): Promise<boolean> =>
    (await MemoryReplica.open({ name: "a", store: new MemoryStore(), ...options })).keeper.isAloneInDoubt;
  expect([await open(), await open({ incarnation: "fresh" })]).toEqual([false, true]);
});
