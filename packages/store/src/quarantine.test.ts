/** What a salvage can leave of the quarantine: entries whose index entry is lost, or beside a record that can be read. */
import { encodeUtf8, RecordHasher } from "@hearsay/core";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { type Backend, hashing, memoryBackend, recordOf, textOf, value } from "./backend.contract.ts";
import { indexKey, quarantineKey, recordKey } from "./keyspace.ts";
import type { Store } from "./store.ts";

const hasher = new RecordHasher(hashing, new Uint8Array(32).fill(7));
const KEY = encodeUtf8("k");
const EMPTY = new Uint8Array(0);

let backend: Backend;
let store: Store;

beforeEach(async () => {
  backend = await memoryBackend();
  ({ store } = await backend.open({ limits: { cacheMaxBytes: 0 } }));
  await store.put("a", recordOf(value(1, "x")));
});

afterEach(() => backend.dispose());

/** Stops the store as a kill does, changes the database behind its back and opens it again. */
async function reopen(changes: ReadonlyMap<Uint8Array, Uint8Array | undefined> = new Map()): Promise<void> {
  await backend.crash();
  const batch = (await backend.raw()).batch();
  for (const [key, bytes] of changes) {
    if (bytes === undefined) batch.del(key);
    else batch.put(key, bytes);
  }
  await batch.write({ sync: false });
  const salvage = (): Promise<void> => Promise.resolve();
  ({ store } = await backend.open({ limits: { cacheMaxBytes: 0 }, salvage }));
}

const damaged = { fault: { code: "record_damaged", key: "k", versions: [] } };

describe("a key in quarantine of which not even an index entry is left", () => {
  beforeEach(() => reopen(new Map([[quarantineKey(KEY), EMPTY]])));

  it("is damaged and not absent", async () => {
    expect(() => store.get("k")).toThrow(expect.objectContaining(damaged));
    expect(() => store.latest("k")).toThrow(expect.objectContaining(damaged));
    expect(store.stats()).toMatchObject({ records: 1, damaged: 1 });
    expect(await store.damaged(10)).toEqual([{ key: "k", versions: [] }]);
    expect(await store.verify({ deep: true })).toMatchObject({ consistent: true, damaged: 1 });
  });

  it("is healed by a put", async () => {
    await store.put("k", recordOf(value(4, "again")));
    expect(textOf(store.get("k"))).toBe("again");
    expect(store.stats()).toMatchObject({ records: 2, damaged: 0 });
    expect(await store.damaged(10)).toEqual([]);
    expect(backend.events).toContainEqual({ code: "record_healed", key: "k" });
  });

  it("is forgotten when what could have been in it lies at or below the floor", async () => {
    expect(await store.dropDamaged(4, 5, 10)).toEqual([]);
    expect(await store.dropDamaged(5, 5, 10)).toEqual(["k"]);
    expect(store.get("k")).toBeUndefined();
    expect(store.stats().damaged).toBe(0);
    await reopen();
    expect(store.stats()).toMatchObject({ records: 1, damaged: 0 });
    expect(store.get("k")).toBeUndefined();
  });

  it("is not forgotten for what is found damaged under it at that moment", async () => {
    const batch = (await backend.raw()).batch();
    batch.put(recordKey(KEY), encodeUtf8("what fails its checksum"));
    await batch.write({ sync: false });
    expect(await store.dropDamaged(5, 5, 10)).toEqual([]);
    expect(store.stats().doubt).toEqual(["damaged_records"]);
  });
});

it("does not read as absent once a record that fails its checksum has left nothing but the quarantine", async () => {
  await store.put("k", recordOf(value(4, "new")));
  await reopen(
    new Map([
      [recordKey(KEY), encodeUtf8("what fails its checksum")],
      [indexKey(hasher.bucketOf("k"), KEY), undefined],
    ]),
  );
  expect(store.stats()).toMatchObject({ records: 1, damaged: 1, doubt: ["salvaged", "damaged_records"] });
  expect(() => store.get("k")).toThrow(expect.objectContaining(damaged));
});

it("takes an unreadable record beside its quarantine for no new damage", async () => {
  await reopen(
    new Map([
      [quarantineKey(KEY), EMPTY],
      [recordKey(KEY), encodeUtf8("what fails its checksum")],
    ]),
  );
  expect(store.stats()).toMatchObject({ records: 1, damaged: 1, doubt: [] });
  expect(backend.events.filter(({ code }) => code === "salvaged" || code === "doubt")).toEqual([]);
});

it("looks for no new damage where what is in quarantine is all that the index names besides", async () => {
  await store.put("k", recordOf(value(4, "new")));
  await reopen(new Map([[recordKey(KEY), encodeUtf8("what fails its checksum")]]));
  await store.settleDoubt();
  const before = backend.events.length;
  await reopen();
  const after = backend.events.slice(before).map(({ code }) => code);
  expect([after.includes("salvaged"), after.includes("doubt"), store.stats().damaged]).toEqual([
    false,
    false,
    1,
  ]);
});

it("takes what is in quarantine for no new damage where another record of its bucket has lost its index entry", async () => {
  const bucket = hasher.bucketOf("k");
  let i = 0;
  while (hasher.bucketOf(`k${i}`) !== bucket) i += 1;
  const other = `k${i}`;
  for (const key of ["k", other]) await store.put(key, recordOf(value(4, "new")));
  await reopen(new Map([[recordKey(KEY), encodeUtf8("what fails its checksum")]]));
  await store.settleDoubt();
  await backend.crash();
  const raw = await backend.raw();
  const before = raw.getSync(quarantineKey(KEY))?.slice();
  const batch = raw.batch();
  batch.del(indexKey(bucket, encodeUtf8(other)));
  await batch.write({ sync: false });
  ({ store } = await backend.open());
  expect(store.stats()).toMatchObject({ records: 2, damaged: 1, doubt: [] });
  expect(raw.getSync(quarantineKey(KEY))).toEqual(before);
  expect((await store.bucketEntries(bucket)).map(({ key }) => key)).toContain(other);
});

it("takes the record where a salvage has brought back its key's entry in quarantine, and never salvages again for it", async () => {
  await store.put("k", recordOf(value(4, "new")));
  const root = await store.root();
  const stale = new Map([[quarantineKey(KEY), EMPTY]]);
  await reopen(stale);
  expect(textOf(store.get("k"))).toBe("new");
  expect(store.stats()).toMatchObject({ records: 2, damaged: 0, doubt: [] });
  expect(await store.root()).toBe(root);
  expect(await store.verify({ deep: true })).toMatchObject({ consistent: true, damaged: 0 });
  await store.put("k", recordOf(value(5, "newer")));
  await reopen();
  expect(backend.events.filter(({ code }) => code === "salvaged" || code === "doubt")).toEqual([]);
  expect(store.stats()).toMatchObject({ records: 2, damaged: 0 });
});

it("takes the record that a salvage has brought back beside its quarantine, and lists it as what it is", async () => {
  await store.put("k", recordOf(value(4, "new")));
  const at = indexKey(hasher.bucketOf("k"), KEY);
  const newer = await (async () => {
    const bytes = (await backend.raw()).getSync(at);
    if (bytes === undefined) throw new Error("no index entry");
    return bytes.slice();
  })();
  await store.remove("k");
  await store.put("k", recordOf(value(3, "old")));
  await reopen(
    new Map([
      [quarantineKey(KEY), EMPTY],
      [at, newer],
    ]),
  );
  expect(textOf(store.get("k"))).toBe("old");
  expect((await store.bucketEntries(hasher.bucketOf("k")))[0]?.versions[0]?.time).toBe(3);
  expect(await store.verify({ deep: true })).toMatchObject({ consistent: true, damaged: 0 });
});
