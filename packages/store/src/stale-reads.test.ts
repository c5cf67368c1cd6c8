/**
 * LevelDB 1.20 can return an older value than the last one written while iterators or snapshots stay open across
 * writes. The store's chunked scans must never bring that about: writers, readers and scans run at once over keys
 * that leave the cache, with a write buffer so small that tables are compacted all the time.
 */
import { expect, it } from "vitest";
import { levelBackend, recordOf, value } from "./backend.contract.ts";
import type { Store } from "./store.ts";

const KEYS = 2000;
const WRITES = 40_000;

it("never reads an older value than the last one committed, while scans, verifies and snapshots run", async () => {
  const backend = await levelBackend();
  try {
    const { store } = await backend.open({ limits: { cacheMaxBytes: 100_000, writeBufferBytes: 64 * 1024 } });
    const committed = new Int32Array(KEYS);
    let writing = true;
    let stale = 0;
    let checked = 0;
    const check = (i: number, time: number): void => {
      checked += 1;
      if (time < (committed[i] ?? 0)) stale += 1;
    };
    const scanning = scanAll(store, () => writing, committed, check);
    const verifying = verifyAll(store, () => writing);
    for (let written = 0; written < WRITES; ) {
      const turn: [number, number][] = [];
      for (let i = 0; i < 100; i++) {
        written += 1;
        const at = (written * 7919) % KEYS;
        void store.put(`key-${at}`, recordOf(value(written, "x".repeat(100))));
        turn.push([at, written]);
      }
      await store.flush();
      for (const [at, time] of turn) committed[at] = Math.max(committed[at] ?? 0, time);
      for (let i = 0; i < 20; i++) {
        const at = (written + i * 104_729) % KEYS;
        const time = store.get(`key-${at}`)?.siblings[0].version.time;
        if ((committed[at] ?? 0) > 0) check(at, time ?? -1);
      }
    }
    writing = false;
    await Promise.all([scanning, verifying]);
    expect({ stale, enough: checked > 10_000 }).toEqual({ stale: 0, enough: true });
    expect(await store.verify({ deep: true })).toMatchObject({ consistent: true, records: KEYS });
  } finally {
    await backend.dispose();
  }
}, 60_000);

async function scanAll(
  store: Store,
  goOn: () => boolean,
  committed: Int32Array,
  check: (i: number, time: number) => void,
): Promise<void> {
  let after: string | undefined;
  while (goOn()) {
    // What was committed before the chunk is asked for must be in it.
    const before = committed.slice();
    const chunk = await store.scan({ prefix: "", after, limit: 256 });
    for (const { key, record } of chunk.entries) {
      const at = Number(key.slice("key-".length));
      const { time } = record.siblings[0].version;
      if (time < (before[at] ?? 0)) check(at, time);
      else check(at, Number.MAX_SAFE_INTEGER);
    }
    after = chunk.next;
  }
}

async function verifyAll(store: Store, goOn: () => boolean): Promise<void> {
  while (goOn()) {
    expect(await store.verify({ deep: true })).toMatchObject({ consistent: true });
    let bytes = 0;
    for await (const chunk of store.snapshot()) bytes += chunk.length;
    expect(bytes).toBeGreaterThan(0);
  }
}
