import { BOUND_TO_MAX, decodeUtf8, encodeUtf8 } from "@hearsay/core";
import { expect, test } from "vitest";
import { MemoryReplica } from "../exchange/memory-replica.contract.ts";
import { MemoryStore } from "../memory-store.contract.ts";
import type { CompletenessKeeper } from "./completeness-keeper.ts";

test("notes by which member a node was let in first, until it is one, and a disk that fails leaves it as it was", async () => {
  const store = new MemoryStore();
  const open = async (): Promise<CompletenessKeeper> =>
    (await MemoryReplica.open({ name: "a", store, company: "strangers" })).keeper;
  const [b, c] = ["b~0123456789", "c~0123456789"];
  const keeper = await open();
  await keeper.letIn(["b:1"], null);
  expect([keeper.letInBy, (await open()).letInBy]).toEqual([null, null]);
  store.failNext = true;
  await expect(keeper.letIn(["b:1"], b)).rejects.toThrow("disk full");
  expect([keeper.letInBy, (await open()).letInBy]).toEqual([null, null]);
  await keeper.letIn(["b:1"], b);
  await keeper.letIn(["c:1"], c);
  const again = await open();
  for (const { letInAt, letInBy } of [keeper, again]) expect([letInAt, letInBy]).toEqual([["c:1"], b]);
  const { length } = store.batches;
  await again.letIn(["c:1"], c);
  expect(store.batches).toHaveLength(length);
  await again.recordedByMajority();
  expect([again.letInBy, (await open()).letInBy]).toEqual([null, null]);
});

test("notes which newcomers it found first, as many as it can name beside a member, until it is a member itself", async () => {
  const store = new MemoryStore();
  const open = async (): Promise<CompletenessKeeper> =>
    (await MemoryReplica.open({ name: "a", store, company: "strangers" })).keeper;
  const ids = Array.from({ length: BOUND_TO_MAX }, (_, i) => `f${i}~0123456789`);
  const found = ids.slice(0, -1);
  const [b, c] = ["b~0123456789", "c~0123456789"];
  const keeper = await open();
  store.failNext = true;
  await expect(keeper.letIn(["f:1"], null, ids)).rejects.toThrow("disk full");
  for (const { founders, letInAt } of [keeper, await open()]) expect([founders, letInAt]).toEqual([[], []]);
  await keeper.letIn(["f:1"], null, ids);
  await keeper.letIn(["f:1", "c:1"], null, [c]);
  for (const { boundTo } of [keeper, await open()]) expect(boundTo).toEqual(found);
  await keeper.letIn(["b:1"], b);
  for (const { boundTo } of [keeper, await open()]) expect(boundTo).toEqual([b, ...found]);
  await keeper.recordedByMajority();
  for (const { boundTo } of [keeper, await open()]) expect(boundTo).toEqual([]);
});

test("was let in by those only that its store names as nodes", async () => {
  const store = new MemoryStore();
  const open = async (): Promise<CompletenessKeeper> =>
    (await MemoryReplica.open({ name: "a", store, company: "strangers" })).keeper;
  await (await open()).letIn(["b:1"], null, ["b~0123456789"]);
  const stored = decodeUtf8(store.committed.meta.get("completeness") ?? new Uint8Array()) ?? "";
  const change = async (founders: unknown): Promise<void> =>
    await store.meta.put("completeness", encodeUtf8(JSON.stringify({ ...JSON.parse(stored), founders })));
  for (const founders of [undefined, "b~0123456789", [1, "b"]]) {
    await change(founders);
    expect((await open()).boundTo).toEqual([]);
  }
});
