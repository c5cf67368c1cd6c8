import { mkdtemp, readdir, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { encodeUtf8 } from "@hearsay/core";
import { Level } from "level";
import { afterEach, expect, it, vi } from "vitest";
import { DatabaseHandle } from "./database-handle.ts";
import type { Database, DatabaseIterator } from "./ports.ts";
import { DEFAULT_STORE_LIMITS } from "./ports.ts";

const ENCODINGS = { keyEncoding: "view", valueEncoding: "view" } as const;
const ALL = { gte: encodeUtf8("a"), lt: encodeUtf8("z") };

const directories: string[] = [];
afterEach(async () => {
  for (const directory of directories.splice(0)) await rm(directory, { recursive: true, force: true });
});

/** A database whose iterators give what is listed for each, one after the other. */
function listing(chunks: readonly (readonly string[] | Error)[]): Database {
  const left = [...chunks];
  return {
    open: () => Promise.resolve(),
    close: () => Promise.resolve(),
    getSync: () => {
      throw new Error("IO error: 000005.ldb: Too many open files");
    },
    batch: () => {
      throw new Error("nothing is written here");
    },
    iterator: (): DatabaseIterator => {
      const chunk = left.shift() ?? [];
      return {
        nextv: (size) =>
          chunk instanceof Error
            ? Promise.reject(chunk)
            : Promise.resolve(
                chunk
                  .slice(0, size)
                  .map((key): [Uint8Array, Uint8Array] => [encodeUtf8(key), new Uint8Array(1)]),
              ),
        close: () => Promise.resolve(),
      };
    },
  };
}

async function opened(database: Database): Promise<{ handle: DatabaseHandle; failed: string[] }> {
  const handle = new DatabaseHandle(() => database, DEFAULT_STORE_LIMITS);
  const failed: string[] = [];
  handle.onReadFailed = (detail) => failed.push(detail);
  await handle.open({ createIfMissing: false });
  return { handle, failed };
}

async function keysOf(handle: DatabaseHandle, size: number): Promise<string[]> {
  const { entries } = await handle.read(ALL, size);
  return entries.map(([key]) => new TextDecoder().decode(key));
}

it("takes no lack of descriptors or memory for damage", async () => {
  const error = new Error("IO error: 000007.ldb: Cannot allocate memory");
  const { handle, failed } = await opened(listing([error]));
  expect(() => handle.get(encodeUtf8("a"))).toThrow(
    expect.objectContaining({ fault: { code: "store_unavailable" } }),
  );
  await expect(handle.read(ALL)).rejects.toMatchObject({ fault: { code: "store_unavailable" } });
  expect(failed).toEqual([]);
});

it("reads a chunk again in which something was passed over for a moment, and not for ever", async () => {
  const { handle } = await opened(listing([["a", "c"], ["a", "b", "c"], ["a", "b"], ["a"]]));
  expect(await keysOf(handle, 2)).toEqual(["a"]);
  const changing = await opened(
    listing(Array.from({ length: 100 }, (_, i) => (i % 2 === 0 ? ["a", "c"] : ["a", "b", "c"]))),
  );
  await expect(keysOf(changing.handle, 2)).rejects.toMatchObject({ fault: { code: "store_unavailable" } });
});

it("reads fewer at a time while others write into the range without a pause", async () => {
  // Behind the third key a new one has come whenever it is looked again.
  const keys = (count: number): string[] => Array.from({ length: count }, (_, i) => `k${i}`);
  const lists = [8, 9, 9, 5, 10, 2].map(keys);
  const { handle } = await opened(listing(lists));
  expect(await handle.read(ALL, 8)).toMatchObject({ entries: { length: 2 }, exhausted: false });
});

it("does not pass over a table that cannot be read, wherever a chunk ends", async () => {
  const directory = await mkdtemp(join(tmpdir(), "hearsay-handle-"));
  directories.push(directory);
  const level = (): Level<Uint8Array, Uint8Array> =>
    new Level<Uint8Array, Uint8Array>(directory, { ...ENCODINGS, writeBufferSize: 64 * 1024 });
  const database = level();
  await database.open();
  const random = new Uint8Array(1000);
  for (let i = 0; i < 4000; i++) {
    crypto.getRandomValues(random);
    await database.put(encodeUtf8(`k${String(i).padStart(4, "0")}`), random.slice());
  }
  await vi.waitFor(async () => expect((await tablesIn(directory)).length).toBeGreaterThan(1));
  await database.close();
  const { handle, failed } = await opened(level());
  // Not the newest, which is not opened by an iterator that finds its keys elsewhere.
  const [first = ""] = await tablesIn(directory);
  await rm(join(directory, first));
  const readAll = async (): Promise<number> => {
    let count = 0;
    for (let { gte } = ALL; ; ) {
      const { entries, exhausted } = await handle.read({ ...ALL, gte });
      count += entries.length;
      const last = entries.at(-1);
      if (exhausted || last === undefined) return count;
      gte = Uint8Array.of(...last[0], 0);
    }
  };
  await expect(readAll()).rejects.toMatchObject({ fault: { code: "read_failed" } });
  expect(failed).toHaveLength(1);
  await handle.close();
});

async function tablesIn(directory: string): Promise<string[]> {
  return (await readdir(directory)).filter((name) => name.endsWith(".ldb")).sort();
}
