/** Bytes that changed behind the store's back: found, never served, healed. */
import { encodeUtf8, RecordHasher } from "@hearsay/core";
import { MemoryLevel } from "memory-level";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import {
  type Backend,
  hashing,
  memoryBackend,
  NODE_B,
  recordOf,
  textOf,
  tombstone,
  value,
  version,
} from "./backend.contract.ts";
import { historyKey, indexKey, metaKey, recordKey } from "./keyspace.ts";
import { rewriteDatabase } from "./salvage.ts";
import { readAll } from "./store.contract.ts";
import type { Store } from "./store.ts";

let backend: Backend;
let store: Store;

beforeEach(async () => {
  backend = await memoryBackend();
  ({ store } = await backend.open({ limits: { cacheMaxBytes: 0 } }));
});

afterEach(() => backend.dispose());

const hasher = new RecordHasher(hashing, new Uint8Array(32).fill(7));

function indexAt(key: string): Uint8Array {
  return indexKey(hasher.bucketOf(key), encodeUtf8(key));
}

/** Flips one bit in the middle of a stored value, or deletes it. */
async function harm(key: Uint8Array, how: "flip" | "delete"): Promise<void> {
  const database = await backend.raw();
  const bytes = database.getSync(key);
  if (bytes === undefined) throw new Error("nothing to harm");
  const batch = database.batch();
  if (how === "delete") batch.del(key);
  else {
    const flipped = bytes.slice();
    const at = bytes.length >> 1;
    flipped[at] = (flipped[at] ?? 0) ^ 4;
    batch.put(key, flipped);
  }
  await batch.write({ sync: false });
}

async function putThree(): Promise<string> {
  await store.put("a", recordOf(value(1, "x")));
  await store.put("b", recordOf(value(2, "x")));
  const without = await store.root();
  await store.put("k", recordOf(value(4, "new"), value(3, "old", NODE_B)));
  return without;
}

for (const how of ["flip", "delete"] as const) {
  it(`never serves, lists, hashes or streams a record after a ${how}, and says what it was`, async () => {
    const without = await putThree();
    await harm(recordKey(encodeUtf8("k")), how);
    const fault = { code: "record_damaged", key: "k", versions: [version(4), version(3, NODE_B)] };
    expect(() => store.get("k")).toThrow(expect.objectContaining({ fault }));
    expect(() => store.latest("k")).toThrow(expect.objectContaining({ fault }));
    expect(() => store.history("k")).toThrow(expect.objectContaining({ fault }));
    await store.flush();
    expect((await readAll(store)).map((entry) => entry.key)).toEqual(["a", "b"]);
    expect(await store.root()).toBe(without);
    expect(await store.bucketEntries(hasher.bucketOf("k"))).toEqual([]);
    expect(store.stats()).toMatchObject({ records: 2, damaged: 1, doubt: ["damaged_records"] });
    expect(await store.damaged(10)).toEqual([{ key: "k", versions: fault.versions }]);
    expect(() => store.get("k")).toThrow(expect.objectContaining({ fault }));
    expect(backend.events.filter((event) => event.code === "record_damaged")).toHaveLength(1);
    expect(await store.verify({ deep: true })).toMatchObject({ consistent: true, damaged: 1 });
  });
}

it("finds a damaged record by listing, and names it", async () => {
  await putThree();
  await harm(recordKey(encodeUtf8("b")), "flip");
  const chunk = await store.scan({ prefix: "", after: undefined, limit: 10 });
  expect(chunk.entries.map((entry) => entry.key)).toEqual(["a", "k"]);
  expect(chunk.damaged).toEqual(["b"]);
});

it("heals a damaged record by a put that covers it, and by no other", async () => {
  await putThree();
  const whole = await store.root();
  await harm(recordKey(encodeUtf8("k")), "flip");
  expect(() => store.get("k")).toThrow();
  await expect(store.put("k", recordOf(value(9, "narrow")))).rejects.toMatchObject({
    fault: { code: "record_damaged" },
  });
  await store.put("k", recordOf(value(4, "new"), value(3, "old", NODE_B)));
  expect(textOf(store.get("k"))).toBe("new");
  expect(await store.root()).toBe(whole);
  expect(store.stats()).toMatchObject({ records: 3, damaged: 0 });
  expect(await store.damaged(10)).toEqual([]);
  expect(backend.events).toContainEqual({ code: "record_healed", key: "k" });
});

it("heals in the same batch that would have put it into quarantine", async () => {
  await putThree();
  const whole = await store.root();
  await harm(recordKey(encodeUtf8("k")), "flip");
  expect(() => store.latest("k")).toThrow();
  await store.put("k", recordOf(value(4, "new"), value(3, "old", NODE_B)));
  expect(await store.root()).toBe(whole);
  expect(store.stats()).toMatchObject({ records: 3, damaged: 0 });
  expect(await store.verify({ deep: true })).toMatchObject({ consistent: true, damaged: 0 });
});

it("remembers damage and doubt over restarts, until the doubt is settled", async () => {
  await putThree();
  await harm(recordKey(encodeUtf8("k")), "flip");
  expect(() => store.get("k")).toThrow();
  await store.close();
  let opened = await backend.open();
  expect(opened.report).toMatchObject({ clean: true, damaged: 1, doubt: ["damaged_records"] });
  store = opened.store;
  const identity = store.meta.put("identity", encodeUtf8("new"));
  await Promise.all([identity, store.settleDoubt()]);
  expect(store.stats().doubt).toEqual([]);
  await store.close();
  opened = await backend.open();
  store = opened.store;
  expect(opened.report).toMatchObject({ clean: true, damaged: 1, doubt: [] });
  expect(() => store.get("k")).toThrow(
    expect.objectContaining({ fault: expect.objectContaining({ code: "record_damaged" }) }),
  );
});

it("finds all damage when it opens after an unclean stop", async () => {
  const without = await putThree();
  await store.put("z", recordOf(tombstone(7)));
  await harm(recordKey(encodeUtf8("k")), "flip");
  await harm(recordKey(encodeUtf8("z")), "delete");
  await backend.crash();
  const opened = await backend.open();
  expect(opened.report).toMatchObject({
    clean: false,
    rebuilt: true,
    records: 2,
    damaged: 2,
    doubt: ["damaged_records"],
  });
  expect(await opened.store.root()).toBe(without);
  expect((await opened.store.damaged(10)).map((entry) => entry.key)).toEqual(["k", "z"]);
  expect(await opened.store.verify({ deep: true })).toMatchObject({ consistent: true, damaged: 2 });
  await opened.store.close();
});

for (const how of ["flip", "delete"] as const) {
  it(`mends an index entry after a ${how} from its record, after an unclean stop`, async () => {
    await putThree();
    const whole = await store.root();
    await harm(indexAt("k"), how);
    await backend.crash();
    const opened = await backend.open();
    expect(opened.report).toMatchObject({ records: 3, damaged: 0, doubt: [] });
    // A key that is missing is noticed by opening, a value that is damaged by listing its bucket.
    const reindexed = how === "delete" ? 1 : 0;
    expect(backend.events).toContainEqual({ code: "fingerprints_rebuilt", records: 3, reindexed });
    expect(await opened.store.root()).toBe(whole);
    expect(await opened.store.bucketEntries(hasher.bucketOf("k"))).toHaveLength(1);
    await opened.store.flush();
    expect(await opened.store.verify({ deep: true })).toMatchObject({ consistent: true });
    await opened.store.close();
  });

  it(`notices by verifying that an index entry is gone after a ${how}, and rebuilds at the next start`, async () => {
    await putThree();
    await harm(indexAt("k"), how);
    expect(await store.verify({ deep: false })).toMatchObject({
      consistent: false,
      indexBucketsDiffering: 1,
    });
    await store.close();
    const opened = await backend.open();
    expect(opened.report).toMatchObject({ clean: false, rebuilt: true, doubt: [] });
    expect(await opened.store.verify({ deep: true })).toMatchObject({ consistent: true });
    await opened.store.close();
  });
}

it("mends a damaged index entry when its bucket is listed", async () => {
  await putThree();
  await harm(indexAt("k"), "flip");
  const listed = [{ key: "k", versions: [version(4), version(3, NODE_B)] }];
  expect(await store.bucketEntries(hasher.bucketOf("k"))).toEqual(listed);
  await store.flush();
  expect(await store.verify({ deep: true })).toMatchObject({ consistent: true, damaged: 0 });
});

it("rebuilds at the next start when record and index entry are damaged both", async () => {
  const without = await putThree();
  await harm(indexAt("k"), "flip");
  await harm(recordKey(encodeUtf8("k")), "flip");
  expect(() => store.get("k")).toThrow();
  await store.close();
  const opened = await backend.open();
  expect(opened.report).toMatchObject({ clean: false, rebuilt: true, damaged: 1 });
  expect(await opened.store.root()).toBe(without);
  await opened.store.close();
});

describe("forgetting what was purged everywhere", () => {
  const rule = (floor: number, limit = 10): [number, number, number] => [floor, 5, limit];

  /** The keys are damaged, this is known since before the store was opened, and the doubt is settled. */
  async function settled(...keys: readonly string[]): Promise<void> {
    await putThree();
    for (const key of keys) {
      await harm(recordKey(encodeUtf8(key)), "flip");
      expect(() => store.get(key)).toThrow();
    }
    await store.flush();
    expect(await store.dropDamaged(...rule(9))).toEqual([]);
    await store.settleDoubt();
  }

  it("forgets a damaged record at or below the floor as a whole, and no other", async () => {
    await settled("a", "k");
    const root = await store.root();
    expect(await store.dropDamaged(...rule(3))).toEqual(["a"]);
    expect(store.get("a")).toBeUndefined();
    expect(() => store.get("k")).toThrow();
    expect(store.stats().damaged).toBe(1);
    expect(await store.dropDamaged(...rule(4))).toEqual(["k"]);
    expect(store.get("k")).toBeUndefined();
    expect(await store.root()).toBe(root);
    await backend.crash();
    const opened = await backend.open();
    expect(opened.report).toMatchObject({ records: 1, damaged: 0, doubt: [] });
    await opened.store.close();
  });

  it("forgets at most as many as it is told to", async () => {
    await settled("a", "b", "k");
    expect(await store.dropDamaged(...rule(9, 2))).toEqual(["a", "b"]);
    expect(store.stats().damaged).toBe(1);
  });

  it("leaves alone what was healed", async () => {
    await settled("k");
    await store.put("k", recordOf(value(4, "new"), value(3, "old", NODE_B)));
    expect(await store.dropDamaged(...rule(9))).toEqual([]);
    expect(textOf(store.get("k"))).toBe("new");
  });

  it("takes a record whose index entry is damaged too for as old as it is told", async () => {
    await putThree();
    await harm(indexAt("k"), "flip");
    await harm(recordKey(encodeUtf8("k")), "flip");
    expect(() => store.get("k")).toThrow();
    await store.settleDoubt();
    expect(await store.dropDamaged(...rule(4))).toEqual([]);
    expect(await store.dropDamaged(...rule(5))).toEqual(["k"]);
  });
});

it("leaves a damaged slot out of the history", async () => {
  for (const time of [1, 2, 3]) await store.put("k", recordOf(value(time, `v${time}`)));
  await harm(historyKey(encodeUtf8("k"), 0), "flip");
  expect(store.history("k").map((sibling) => sibling.version.time)).toEqual([3, 2]);
  expect(backend.events).toContainEqual({ code: "history_damaged", key: "k" });
});

it.each(["opened", "salvaged"])(
  "reads a value of the node's own that is damaged as an empty one, and not as absent, when it is %s",
  async (how) => {
    await store.meta.put("members", encodeUtf8("all of them"));
    await harm(metaKey("members"), "flip");
    await backend.crash();
    let database = await backend.raw();
    if (how === "salvaged") {
      const encodings = { keyEncoding: "view", valueEncoding: "view", storeEncoding: "view" } as const;
      const fresh = new MemoryLevel<Uint8Array, Uint8Array>(encodings);
      await fresh.open();
      await rewriteDatabase(database, fresh, hashing);
      database = fresh;
    }
    const reopen = async (): Promise<void> => {
      ({ store } = await backend.open({ openDatabase: () => database }));
      expect(store.meta.get("members")).toEqual(new Uint8Array(0));
    };
    await reopen();
    expect(store.stats().doubt).toContain("damaged_meta");
    await store.settleDoubt();
    await store.close();
    await reopen();
    expect(store.stats().doubt).toEqual([]);
  },
);
