import { encodeUtf8 } from "@hearsay/core";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { type Backend, hashing, memoryBackend, NODE_A, NODE_B, value } from "./backend.contract.ts";
import { Codec } from "./codec.ts";
import type { Ghost, Keeping } from "./ghosts.ts";
import { ghostKey } from "./keyspace.ts";
import type { Store } from "./store.ts";

describe("ghosts", () => {
  let backend: Backend;
  let store: Store;

  beforeEach(async () => {
    backend = await memoryBackend();
    ({ store } = await backend.open());
  });

  afterEach(() => backend.dispose());

  const kept: Keeping = { atMs: 1_893_456_000_000, why: "refused" };
  const ghostOf = (key: string, time: number, node: string): Ghost => ({
    key,
    sibling: value(time, "v", node),
    kept,
  });
  const keep = ({ key, sibling }: Ghost): Promise<boolean> => store.quarantine(key, sibling, kept);
  const all = async (key?: string): Promise<Ghost[]> => {
    const ghosts: Ghost[] = [];
    for await (const ghost of store.ghosts(key)) ghosts.push(ghost);
    return ghosts;
  };

  it("are kept over restarts with when and why, and the same one is one", async () => {
    const ghosts = [ghostOf("k", 7, NODE_A), ghostOf("k", 8, NODE_A), ghostOf("ü", 7, NODE_A)];
    for (const ghost of ghosts) expect(await keep(ghost)).toBe(true);
    for (const { key, sibling } of ghosts) {
      expect(await store.quarantine(key, sibling, { atMs: 1, why: "dropped" })).toBe(true);
    }
    expect(store.stats().ghosts).toBe(3);
    await store.close();
    ({ store } = await backend.open());
    expect(await all()).toEqual(ghosts);
    expect(store.stats().ghosts).toBe(3);
  });

  it("that come twice at one time are one, and are discarded once", async () => {
    const ghost = ghostOf("k", 7, NODE_A);
    expect(await Promise.all([keep(ghost), keep(ghost)])).toEqual([true, true]);
    expect(store.stats().ghosts).toBe(1);
    const discard = (): Promise<boolean> => store.discardGhost("k", ghost.sibling.version);
    expect(await Promise.all([discard(), discard()])).toEqual([true, false]);
    expect(store.stats().ghosts).toBe(0);
  });

  it("of one key are told apart from those of others, longer ones of the same beginning too", async () => {
    const ghosts = [ghostOf("k", 7, NODE_A), ghostOf("k", 8, NODE_B)];
    for (const ghost of [...ghosts, ghostOf("kk", 7, NODE_A), ghostOf("l", 7, NODE_A)]) await keep(ghost);
    expect(await all("k")).toEqual(ghosts);
    expect(await all("m")).toEqual([]);
  });

  it("of one key and time by two nodes are two", async () => {
    const ghosts = [ghostOf("k", 7, NODE_A), ghostOf("k", 7, NODE_B)];
    await Promise.all(ghosts.map(keep));
    expect(await all()).toEqual(ghosts);
  });

  it("are discarded one by one, for good", async () => {
    const [one, other] = [ghostOf("k", 7, NODE_A), ghostOf("k", 8, NODE_A)];
    for (const ghost of [one, other]) await keep(ghost);
    expect(await store.discardGhost("k", one.sibling.version)).toBe(true);
    expect(await store.discardGhost("k", one.sibling.version)).toBe(false);
    expect(store.stats().ghosts).toBe(1);
    await store.close();
    ({ store } = await backend.open());
    expect(await all()).toEqual([other]);
  });

  it("beyond the bound are not kept, and that is said, until some are discarded", async () => {
    for (let time = 1; time <= 1024; time++) await keep(ghostOf("k", time, NODE_A));
    expect(await keep(ghostOf("k", 2000, NODE_A))).toBe(false);
    expect(await all()).toHaveLength(1024);
    await store.discardGhost("k", { time: 5, node: NODE_A });
    expect(await keep(ghostOf("k", 2000, NODE_A))).toBe(true);
  });

  it("that an earlier build has kept are read without when and why", async () => {
    await store.close();
    const sibling = value(7, "v", NODE_A);
    const at = ghostKey(encodeUtf8("k"), 7, NODE_A);
    const batch = (await backend.raw()).batch();
    batch.put(at, new Codec(hashing).encodeSiblings(at, [sibling]));
    await batch.write({ sync: false });
    ({ store } = await backend.open());
    expect(await all()).toEqual([{ key: "k", sibling, kept: undefined }]);
  });

  it("can be read by an earlier build, which knows the version only", () => {
    const codec = new Codec(hashing);
    const sibling = value(7, "v", NODE_A);
    const at = ghostKey(encodeUtf8("k"), 7, NODE_A);
    expect(codec.decodeSiblings(at, codec.encodeGhost(at, sibling, kept))).toEqual([sibling]);
  });
});
