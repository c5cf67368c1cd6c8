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
