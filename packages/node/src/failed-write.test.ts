/** What a node says of a write whose batch has failed: it may be on disk nonetheless. */
import { hlcToMs } from "@hearsay/core";
import { expect, test } from "vitest";
import { MemoryStore } from "./memory-store.contract.ts";
import { Node, type Written } from "./node.ts";

let nowMs = 1_750_000_000_000;

async function open(store: MemoryStore): Promise<Node> {
  const quiet = (): void => undefined;
  return await Node.open(
    {
      clock: { nowMs: () => nowMs },
      random: { next: () => 0.5 },
      store,
      log: { info: quiet, warn: quiet, error: quiet },
      metrics: { count: quiet },
    },
    {
      name: "alpha",
      fallbackName: "unnamed",
      cluster: "test",
      maxWaiters: 2,
      clockMaxDriftMs: 10_000,
      conflicts: { maxSiblings: 3, policies: new Map() },
      doubt: false,
    },
  );
}

function write(node: Node, key: string): Written {
  const written = node.write(key, { kind: "tombstone" }, undefined);
  if ("code" in written) throw new Error(`refused: ${written.code}`);
  return written;
}

test("neither holds it nor is complete beyond it before the store says what became of it", async () => {
  const store = new MemoryStore();
  const node = await open(store);
  const before = write(node, "k");
  await before.committed;
  store.isFull = true;
  nowMs += 1000;
  const failed = write(node, "k");
  await expect(failed.committed).rejects.toThrow("disk full");
  nowMs += 1000;
  const refused = write(node, "k");
  await expect(refused.committed).rejects.toThrow("disk full");
  const stated = (): unknown => ({
    holds: [before, failed, refused].map(({ version }) => node.holds("k", version)),
    through: node.completeThroughMs(),
  });
  const asBefore = { holds: [true, false, false], through: hlcToMs(failed.version.time) - 1 };
  expect(stated()).toEqual(asBefore);
  await expect(node.tick()).rejects.toThrow("disk full");
  expect(stated()).toEqual(asBefore);
  store.isFull = false;
  const later = write(node, "other");
  expect(node.holds("other", later.version)).toBe(false);
  await later.committed;
  expect(node.holds("other", later.version)).toBe(true);
  expect(node.completeThroughMs()).toBe(nowMs - 1);
});

test("says again that it is complete when the store has taken a fresh time, without another write", async () => {
  const store = new MemoryStore();
  const node = await open(store);
  store.failNext = true;
  const failed = write(node, "k");
  await expect(failed.committed).rejects.toThrow("disk full");
  nowMs += 1000;
  expect(node.completeThroughMs()).toBeLessThan(hlcToMs(failed.version.time));
  expect(await node.ownTime()).toBeGreaterThan(failed.version.time);
  expect(node.completeThroughMs()).toBe(nowMs - 1);
});
