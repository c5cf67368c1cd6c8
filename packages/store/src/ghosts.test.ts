import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { type Backend, memoryBackend, NODE_A, NODE_B, value } from "./backend.contract.ts";
import type { Ghost } from "./ghosts.ts";
import type { Store } from "./store.ts";

describe("ghosts", () => {
  let backend: Backend;
  let store: Store;

  beforeEach(async () => {
    backend = await memoryBackend();
    ({ store } = await backend.open());
  });

  afterEach(() => backend.dispose());

  const ghostOf = (key: string, time: number, node: string): Ghost => ({
    key,
    sibling: value(time, "v", node),
  });

  it("are kept over restarts, and the same one is one", async () => {
    const ghosts = [ghostOf("k", 7, NODE_A), ghostOf("k", 8, NODE_A), ghostOf("ü", 7, NODE_A)];
    for (const { key, sibling } of [...ghosts, ...ghosts]) {
      expect(await store.quarantine(key, sibling)).toBe(true);
    }
    await store.close();
    ({ store } = await backend.open());
    expect(await store.ghosts(10)).toEqual(ghosts);
    expect(await store.ghosts(2)).toEqual(ghosts.slice(0, 2));
  });

  it("of one key and time by two nodes are two", async () => {
    const ghosts = [ghostOf("k", 7, NODE_A), ghostOf("k", 7, NODE_B)];
    await Promise.all(ghosts.map(({ key, sibling }) => store.quarantine(key, sibling)));
    expect(await store.ghosts(10)).toEqual(ghosts);
  });

  it("beyond the bound are not kept, and that is said", async () => {
    for (let time = 1; time <= 1024; time++) {
      const { key, sibling } = ghostOf("k", time, NODE_A);
      await store.quarantine(key, sibling);
    }
    const { key, sibling } = ghostOf("k", 2000, NODE_A);
    expect(await store.quarantine(key, sibling)).toBe(false);
    expect(await store.ghosts(2000)).toHaveLength(1024);
  });
});
