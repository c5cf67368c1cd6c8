import { expect, it } from "vitest";
import { type Backend, levelBackend, memoryBackend } from "./backend.contract.ts";
import { DatabaseHandle } from "./database-handle.ts";
import { EntryReader } from "./entry-reader.ts";
import { RECORD_PREFIX, recordKey, SPACE, spaceRange } from "./keyspace.ts";
import { DEFAULT_STORE_LIMITS } from "./ports.ts";

const KEYS = 5_000;

async function handleOf(backend: Backend): Promise<DatabaseHandle> {
  const database = await backend.raw();
  const batch = database.batch();
  for (let i = 0; i < KEYS; i++) batch.put(keyOf(i), Uint8Array.of(i & 0xff));
  await batch.write({ sync: false });
  const handle = new DatabaseHandle(() => database, DEFAULT_STORE_LIMITS);
  await handle.open({ createIfMissing: true });
  return handle;
}

function keyOf(i: number): Uint8Array {
  return recordKey(Uint8Array.of(i >>> 8, i & 0xff));
}

function numberOf(key: Uint8Array): number {
  return ((key[RECORD_PREFIX] ?? 0) << 8) | (key[RECORD_PREFIX + 1] ?? 0);
}

it.each([
  ["memory-level", memoryBackend],
  ["level", levelBackend],
])(
  "hands out each entry once and in order, whenever it lets go of its iterator to write, on %s",
  async (_, make) => {
    const backend = await make();
    const handle = await handleOf(backend);
    const reader = new EntryReader(handle, spaceRange(SPACE.record));
    const seen: number[] = [];
    let chunks = 0;
    for (let entries = await reader.next(); entries.length > 0; entries = await reader.next()) {
      seen.push(...entries.map(([key]) => numberOf(key)));
      chunks += 1;
      if (chunks % 2 === 0) continue;
      await reader.release();
      const batch = handle.current.batch();
      for (const [key] of entries) batch.del(key);
      // Behind what was handed out, so it is still to be seen.
      batch.put(keyOf(KEYS + chunks), Uint8Array.of(chunks));
      await batch.write({ sync: false });
    }
    await reader.release();
    const added = seen.filter((number) => number > KEYS);
    expect(seen.slice(0, KEYS)).toEqual(Array.from({ length: KEYS }, (_unused, i) => i));
    expect(added).toEqual(Array.from({ length: added.length }, (_unused, i) => KEYS + 1 + 2 * i));
    expect(added.length).toBeGreaterThan(1);
    await handle.close();
    await backend.dispose();
  },
);

it("leaves out values where the range does", async () => {
  const backend = await levelBackend();
  const handle = await handleOf(backend);
  const reader = new EntryReader(handle, { ...spaceRange(SPACE.record), values: false });
  const entries = await reader.next();
  expect(entries.length).toBeGreaterThan(256);
  expect(entries.every(([, value]) => value instanceof Uint8Array && value.length === 0)).toBe(true);
  await reader.release();
  await handle.close();
  await backend.dispose();
});
