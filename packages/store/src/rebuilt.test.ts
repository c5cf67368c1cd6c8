/** What a rebuild finds and mends beside the records, so that nothing is missed later on. */
import { encodeUtf8, RecordHasher } from "@hearsay/core";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import {
  type Backend,
  hashing,
  memoryBackend,
  type OpenOverrides,
  recordOf,
  tombstone,
  value,
} from "./backend.contract.ts";
import { Codec } from "./codec.ts";
import { graveyardKey, indexKey, recordKey, systemKey } from "./keyspace.ts";
import type { Database } from "./ports.ts";
import { readSnapshot, type SnapshotItem } from "./snapshot-read.ts";
import type { Store } from "./store.ts";
import { summarize } from "./summary.ts";

const hasher = new RecordHasher(hashing, new Uint8Array(32).fill(7));
const codec = new Codec(hashing);
const KEY = encodeUtf8("k");

let backend: Backend;

beforeEach(async () => {
  backend = await memoryBackend();
  const { store } = await backend.open();
  await store.put("a", recordOf(value(1, "a")));
  await store.put("k", recordOf(tombstone(2)));
});

afterEach(() => backend.dispose());

/** Undefined: the entry goes. */
async function reopened(
  at: Uint8Array,
  bytes: Uint8Array | undefined,
  overrides: OpenOverrides = {},
): Promise<Store> {
  await backend.crash();
  const batch = (await backend.raw()).batch();
  if (bytes === undefined) batch.del(at);
  else batch.put(at, bytes);
  await batch.write({ sync: false });
  return (await backend.open(overrides)).store;
}

it("a key whose record alone is gone is damaged for readers, and not absent", async () => {
  const store = await reopened(recordKey(KEY), undefined);
  expect(() => store.get("k")).toThrow(
    expect.objectContaining({ fault: expect.objectContaining({ code: "record_damaged" }) }),
  );
});

describe("a key whose record is gone, and whose index entry cannot be read,", () => {
  const at = indexKey(hasher.bucketOf("k"), KEY);
  const unreadable = encodeUtf8("what fails its checksum");
  const damaged = { fault: { code: "record_damaged", key: "k", versions: [] } };

  it.each([
    ["", undefined],
    [" under another digest key", new Uint8Array(32).fill(8)],
  ])("is damaged for readers, and not absent%s", async (_, digestKey) => {
    await reopened(at, unreadable);
    const store = await reopened(recordKey(KEY), undefined, digestKey === undefined ? {} : { digestKey });
    expect(() => store.get("k")).toThrow(expect.objectContaining(damaged));
    expect(store.stats()).toMatchObject({ damaged: 1, doubt: ["damaged_records"] });
    expect(await store.damaged(10)).toEqual([{ key: "k", versions: [] }]);
  });
});

it("a deletion whose grave is gone has one again, and is purged", async () => {
  const store = await reopened(graveyardKey(2, KEY), undefined);
  expect(await store.purge(2, 10)).toEqual({ purged: 1, more: false });
});

it("an index entry in the bucket of another key is gone for good", async () => {
  const elsewhere = indexKey(hasher.bucketOf("k") ^ 1, KEY);
  const store = await reopened(
    elsewhere,
    codec.encodeSummary(elsewhere, summarize(recordOf(tombstone(2)), 9)),
  );
  expect(await store.bucketEntries(hasher.bucketOf("k") ^ 1)).toEqual([]);
  expect(await store.verify({ deep: true })).toMatchObject({ consistent: true });
});

it("a checkpoint is gone as soon as the store is open", async () => {
  const { store } = await backend.open();
  await store.close();
  expect((await backend.raw()).getSync(systemKey("checkpoint"))).toBeDefined();
  await backend.open();
  expect((await backend.raw()).getSync(systemKey("checkpoint"))).toBeUndefined();
});

it("a database that is as damaged after it was salvaged is not salvaged once more", async () => {
  const inner = await backend.raw();
  const corrupt = (): Error =>
    Object.assign(new Error("Corruption: bad block"), { code: "LEVEL_CORRUPTION" });
  let opened = 0;
  const damaged: Database = {
    open: async () => {
      opened += 1;
      if (opened === 1) throw corrupt();
    },
    close: () => Promise.resolve(),
    getSync: (key) => inner.getSync(key),
    batch: () => inner.batch(),
    iterator: () => {
      throw corrupt();
    },
  };
  let salvaged = 0;
  const salvage = async (): Promise<void> => {
    salvaged += 1;
  };
  await expect(backend.open({ openDatabase: () => damaged, salvage })).rejects.toMatchObject({
    fault: { code: "store_unreadable" },
  });
  expect([opened, salvaged]).toEqual([2, 1]);
});

it("a record that a deep verification finds damaged is so for readers, also where no put has named its key", async () => {
  const { store } = await backend.open();
  const batch = (await backend.raw()).batch();
  batch.put(recordKey(encodeUtf8("unheard of")), encodeUtf8("what fails its checksum"));
  await batch.write({ sync: false });
  expect(store.get("unheard of")).toBeUndefined();
  await store.verify({ deep: true });
  expect(() => store.get("unheard of")).toThrow(
    expect.objectContaining({ fault: expect.objectContaining({ code: "record_damaged" }) }),
  );
});

it("a snapshot says of how many damaged records it is without", async () => {
  const store = await reopened(recordKey(KEY), undefined);
  const items: SnapshotItem[] = [];
  for await (const item of readSnapshot(store.snapshot(), hashing)) items.push(item);
  expect(items.at(-1)).toEqual({ kind: "end", entries: 1, damaged: 1 });
});
