import { encodeUtf8 } from "@hearsay/core";
import { MemoryLevel } from "memory-level";
import { afterEach, beforeEach, expect, it } from "vitest";
import { type Backend, hashing, memoryBackend, recordOf, tombstone, value } from "./backend.contract.ts";
import { Codec } from "./codec.ts";
import { DAMAGE_NOTE } from "./environment.ts";
import { quarantineKey, recordKey, SPACE, spaceRange, systemKey } from "./keyspace.ts";
import type { Database } from "./ports.ts";
import { rewriteDatabase } from "./salvage.ts";

const ENCODINGS = { keyEncoding: "view", valueEncoding: "view" } as const;

let backend: Backend;
let damaged: Database;
let fresh: MemoryLevel<Uint8Array, Uint8Array>;

beforeEach(async () => {
  backend = await memoryBackend();
  const { store } = await backend.open();
  for (const key of ["a", "b", "c"]) await store.put(key, recordOf(value(1, key)));
  await store.put("gone", recordOf(tombstone(2)));
  await store.close();
  damaged = await backend.raw();
  fresh = new MemoryLevel({ ...ENCODINGS, storeEncoding: "view" });
  await fresh.open();
});

afterEach(async () => {
  await fresh.close();
  await backend.dispose();
});

async function entriesIn(database: Database, space: (typeof SPACE)[keyof typeof SPACE]): Promise<number> {
  const iterator = database.iterator({ ...spaceRange(space), reverse: false, highWaterMarkBytes: 1024 });
  try {
    return (await iterator.nextv(100)).length;
  } finally {
    await iterator.close();
  }
}

it("vouches for nothing in the copy, and has opening write the graves anew", async () => {
  const note = damaged.batch();
  const at = systemKey(DAMAGE_NOTE);
  note.put(at, new Codec(hashing).encodePlain(at, encodeUtf8("asked for")).slice());
  await note.write({ sync: false });
  expect(damaged.getSync(systemKey("checkpoint"))).toBeDefined();
  expect(await entriesIn(damaged, SPACE.graveyard)).toBe(1);
  await rewriteDatabase(damaged, fresh, hashing);
  expect([fresh.getSync(systemKey("checkpoint")), fresh.getSync(systemKey(DAMAGE_NOTE))]).toEqual([
    undefined,
    undefined,
  ]);
  expect([await entriesIn(fresh, SPACE.graveyard), await entriesIn(fresh, SPACE.record)]).toEqual([0, 4]);
});

it("counts a space of which an entry fails its checksum, and saves those around it", async () => {
  expect((await rewriteDatabase(damaged, fresh, hashing)).gaps).toBe(0);
  const batch = damaged.batch();
  batch.put(recordKey(encodeUtf8("b")), encodeUtf8("what fails its checksum"));
  // Damaged as it is, and no gap.
  batch.put(quarantineKey(encodeUtf8("before")), encodeUtf8("what failed it before"));
  await batch.write({ sync: false });
  await fresh.clear();
  expect((await rewriteDatabase(damaged, fresh, hashing)).gaps).toBe(1);
  const saved = ["a", "b", "c"].map((key) => fresh.getSync(recordKey(encodeUtf8(key))) !== undefined);
  expect(saved).toEqual([true, false, true]);
  expect(await entriesIn(fresh, SPACE.quarantine)).toBe(1);
});
