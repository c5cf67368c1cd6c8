/** What is told of commits to those who follow them. */
import { hlcFromMs } from "@hearsay/core";
import { afterEach, describe, expect, it } from "vitest";
import {
  type Backend,
  memoryBackend,
  type OpenOverrides,
  recordOf,
  tombstone,
  value,
  version,
} from "./backend.contract.ts";
import type { DatabaseBatch, DatabaseIterator, DatabaseRange } from "./ports.ts";
import type { Store } from "./store.ts";

let backend: Backend | undefined;
afterEach(() => backend?.dispose());

it("tells of each commit once, when readers see it, under a number that rises across restarts", async () => {
  backend = await memoryBackend();
  const { store } = await backend.open();
  const told: [number, string[], boolean][] = [];
  const stop = store.onCommit(({ sequence, changes }) => {
    const keys = [...changes].map(({ key }) => key);
    told.push([sequence, keys, keys.every((key) => store.get(key) !== undefined)]);
  });
  const before = store.sequence;
  await Promise.all([store.put("a", recordOf(value(1, "x"))), store.put("b", recordOf(value(2, "y")))]);
  await store.put("a", recordOf(value(3, "z")));
  expect(told).toEqual([
    [before + 1, ["a", "b"], true],
    [before + 2, ["a"], true],
  ]);
  stop();
  await store.put("a", recordOf(value(4, "z")));
  expect([told.length, store.sequence]).toEqual([2, before + 3]);
  await store.close();
  const { store: again } = await backend.open();
  expect(again.sequence).toBeGreaterThanOrEqual(before + 3);
});

it("lists what may be purged between two times, however many have the same", async () => {
  backend = await memoryBackend();
  const { store } = await backend.open();
  const expiring = (at: number) =>
    recordOf({
      kind: "value",
      version: version(1),
      bytes: new Uint8Array(1),
      contentType: "",
      expiresAtMs: at,
    });
  const same = Array.from({ length: 600 }, (_, i) => `same-${i}`);
  await Promise.all(same.map((key) => store.put(key, expiring(10))));
  await Promise.all([
    store.put("before", expiring(9)),
    store.put("after", expiring(11)),
    store.put("lasting", recordOf(value(2, "x"))),
    store.put("deleted", recordOf(tombstone(hlcFromMs(10)))),
  ]);
  const between = async (after: number, through: number): Promise<string[]> => {
    const found: string[] = [];
    for await (const graves of store.gravesBetween(hlcFromMs(after), hlcFromMs(through))) {
      found.push(...graves.map(({ key }) => key));
    }
    return found.sort();
  };
  expect(await between(9, 10)).toEqual([...same, "deleted"].sort());
  expect(await between(0, 9)).toEqual(["before"]);
  expect(await between(11, 20)).toEqual([]);
});

it("flushes what was put before, while further writes leave no pause between commits", async () => {
  backend = await memoryBackend();
  const { store } = await backend.open();
  let commits = 0;
  const stop = store.onCommit(() => {
    commits += 1;
    if (commits < 100) void store.put("k", recordOf(value(1 + commits, "x")));
  });
  void store.put("k", recordOf(value(1, "x")));
  await store.flush();
  expect(commits).toBeLessThan(5);
  stop();
});

it("commits what is put as a commit ends together with what that moves others to put in the same turn", async () => {
  backend = await memoryBackend();
  const { store } = await backend.open();
  const told: string[][] = [];
  let second: Promise<void> | undefined;
  const stop = store.onCommit(({ changes }) => {
    told.push([...changes].map(({ key }) => key));
    second ??= store.put("b", recordOf(value(2, "y")));
  });
  await store.put("a", recordOf(value(1, "x")));
  await Promise.all([second, store.put("c", recordOf(value(3, "z")))]);
  expect(told).toEqual([["a"], ["b", "c"]]);
  stop();
});

it("purges what is committed below a floor at which there was nothing to purge, also while that was found out", async () => {
  backend = await memoryBackend();
  const { store } = await backend.open();
  await store.put("later", recordOf(tombstone(500)));
  expect(await store.purge(100, 10)).toEqual({ purged: 0, more: false });
  await store.put("a", recordOf(tombstone(3)));
  expect(await store.purge(100, 10)).toEqual({ purged: 1, more: false });
  await Promise.all([store.purge(100, 10), store.put("b", recordOf(tombstone(4)))]);
  expect(await store.purge(100, 10)).toEqual({ purged: 1, more: false });
  expect(await store.purge(100, 10)).toEqual({ purged: 0, more: false });
  await store.put("c", recordOf(tombstone(100)));
  expect(await store.purge(99, 10)).toEqual({ purged: 0, more: false });
  expect(await store.purge(100, 10)).toEqual({ purged: 1, more: false });
  expect(await store.purge(500, 10)).toEqual({ purged: 1, more: false });
});

interface Interrupted {
  readonly store: Store;
  /** Happens once, after the next entries of a scan were read. */
  duringScan(happens: () => Promise<void>): void;
  /** Happens once, while the next batch is being written. */
  duringWrite(happens: () => void): void;
  /** Whether each batch was synced. */
  readonly syncs: boolean[];
}

async function interrupted(overrides: OpenOverrides = {}): Promise<Interrupted> {
  backend = await memoryBackend();
  const database = await backend.raw();
  const syncs: boolean[] = [];
  const next: { scan?: (() => Promise<void>) | undefined; write?: (() => void) | undefined } = {};
  const iterator = (range: DatabaseRange): DatabaseIterator => {
    const inner = database.iterator(range);
    const nextv = async (size: number): Promise<[Uint8Array, Uint8Array][]> => {
      const entries = await inner.nextv(size);
      const { scan } = next;
      next.scan = undefined;
      await scan?.();
      return entries;
    };
    return { nextv, close: () => inner.close() };
  };
  const batch = (): DatabaseBatch => {
    const inner = database.batch();
    const write: DatabaseBatch["write"] = (options) => {
      syncs.push(options.sync);
      const happens = next.write;
      next.write = undefined;
      if (happens !== undefined) void Promise.resolve().then(happens);
      return inner.write(options);
    };
    return { put: (key, to) => inner.put(key, to), del: (key) => inner.del(key), write };
  };
  const { store } = await backend.open({
    ...overrides,
    openDatabase: () => ({
      open: (how) => database.open(how),
      close: () => database.close(),
      getSync: (key) => database.getSync(key),
      batch,
      iterator,
    }),
  });
  return {
    store,
    syncs,
    duringScan: (happens) => {
      next.scan = happens;
    },
    duringWrite: (happens) => {
      next.write = happens;
    },
  };
}

it.each(["os", "fsync"] as const)(
  "syncs what the node knows of itself, and with %s records as that says",
  async (durability) => {
    const { store, syncs } = await interrupted({ durability });
    const before = syncs.length;
    await store.put("a", recordOf(value(1, "x")));
    await store.meta.put("members", Uint8Array.of(1));
    await store.put("a", recordOf(value(2, "y")));
    const isSynced = durability === "fsync";
    expect(syncs.slice(before)).toEqual([isSynced, true, isSynced]);
  },
);

describe("a purge during which something is committed", () => {
  it("leaves what was deleted anew", async () => {
    const { store, duringScan } = await interrupted();
    await store.put("a", recordOf(tombstone(3)));
    duringScan(() => store.put("a", recordOf(tombstone(500))));
    expect(await store.purge(100, 10)).toEqual({ purged: 0, more: false });
    expect(store.get("a")?.siblings).toEqual([tombstone(500)]);
    expect(await store.purge(500, 10)).toEqual({ purged: 1, more: false });
  });

  it("finds it the next time, where it was looked for in vain", async () => {
    const { store, duringScan } = await interrupted();
    await store.put("later", recordOf(tombstone(500)));
    duringScan(() => store.put("a", recordOf(tombstone(4))));
    expect(await store.purge(100, 10)).toEqual({ purged: 0, more: false });
    expect(await store.purge(100, 10)).toEqual({ purged: 1, more: false });
  });
});

it("waits for the newest of what is put, and gives it, where an older one is just being written", async () => {
  const { store, duringWrite } = await interrupted();
  const seen = (): number | undefined => store.get("k")?.siblings[0].version.time;
  const waits: Promise<number | undefined>[] = [];
  let newest: Uint8Array | undefined;
  duringWrite(() => {
    void store.put("k", recordOf(value(2, "y")));
    void store.meta.put("m", new Uint8Array([2]));
    newest = store.meta.get("m");
    waits.push(store.flush().then(seen), store.settled("k").then(seen));
  });
  await Promise.all([store.put("k", recordOf(value(1, "x"))), store.meta.put("m", new Uint8Array([1]))]);
  expect(seen()).toBe(1);
  expect([await Promise.all(waits), newest]).toEqual([[2, 2], new Uint8Array([2])]);
});
