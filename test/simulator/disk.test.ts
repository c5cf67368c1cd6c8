import { platform } from "@hearsay/cli/simulation-platform";
import { encodeUtf8, SeededRandom } from "@hearsay/core";
import { VirtualDisk, VirtualTime } from "@hearsay/simulator";
import type { Database } from "@hearsay/store";
import { describe, expect, test } from "vitest";

interface Opened {
  readonly disk: VirtualDisk;
  readonly time: VirtualTime;
  database: Database;
}

async function open(seed: number): Promise<Opened> {
  const time = new VirtualTime(() => platform.turn());
  const disk = new VirtualDisk(platform, time, new SeededRandom(seed));
  return { disk, time, database: await reopen(disk) };
}

async function reopen(disk: VirtualDisk): Promise<Database> {
  const database = disk.factory((callback) => callback())({ cacheBytes: 0, writeBufferBytes: 0 });
  await database.open({ createIfMissing: true });
  return database;
}

function put(database: Database, key: string, sync: boolean): Promise<void> {
  const batch = database.batch();
  batch.put(encodeUtf8(key), encodeUtf8("v"));
  return batch.write({ sync });
}

function held(database: Database, keys: readonly string[]): string[] {
  return keys.filter((key) => database.getSync(encodeUtf8(key)) !== undefined);
}

const KEYS = ["1", "2", "3", "4"];
const SEEDS = Array.from({ length: 60 }, (_, i) => i);

describe("a loss of power", () => {
  test("leaves what was synced, and all before it", async () => {
    for (const seed of SEEDS) {
      const { disk, database } = await open(seed);
      await put(database, "1", false);
      await put(database, "2", true);
      await disk.losePower();
      expect(held(await reopen(disk), ["1", "2"])).toEqual(["1", "2"]);
    }
  });

  test("leaves what has waited for half a minute, which is written back unasked", async () => {
    const seen = new Set<string>();
    for (const seed of SEEDS) {
      const { disk, database, time } = await open(seed);
      await put(database, "1", false);
      await time.advance(30_000);
      for (const key of ["2", "3"]) await put(database, key, false);
      await disk.losePower();
      seen.add(held(await reopen(disk), KEYS).join(""));
    }
    expect([...seen].sort()).toEqual(["1", "12", "123", "13"]);
  });

  test("takes any of the batches after it, also one in the middle, and counts them", async () => {
    const seen = new Set<string>();
    for (const seed of SEEDS) {
      const { disk, database } = await open(seed);
      for (const key of KEYS) await put(database, key, false);
      const { acknowledged } = await disk.losePower();
      const left = held(await reopen(disk), KEYS);
      expect(left.length + acknowledged).toBe(KEYS.length);
      seen.add(left.join(""));
    }
    for (const left of ["", "1", "12", "123", "1234"]) expect(seen).toContain(left);
    expect([...seen].some((left) => !"1234".startsWith(left))).toBe(true);
  });

  test("brings back an older value of the side file at times, never another one", async () => {
    const seen = new Set<number>();
    for (const seed of SEEDS) {
      const { disk } = await open(seed);
      for (const sequence of [7, 8, 9]) disk.sequenceFile.write(sequence);
      await disk.losePower();
      seen.add(disk.sequenceFile.read());
    }
    expect([...seen].sort()).toEqual([0, 7, 8, 9]);
  });
});

test("a process that is killed leaves what was buffered, and of what was under way a first part", async () => {
  const seen = new Set<string>();
  for (const seed of SEEDS) {
    const { disk, database } = await open(seed);
    await put(database, "1", false);
    disk.latency = { leastMs: 5, mostMs: 5 };
    for (const key of ["2", "3"]) void put(database, key, true);
    const lost = await disk.crash();
    const left = held(await reopen(disk), KEYS);
    expect(left.length + lost).toBe(3);
    seen.add(left.join(""));
    expect(() => database.getSync(encodeUtf8("1"))).toThrow("not open");
  }
  expect([...seen].sort()).toEqual(["1", "12", "123"]);
});

test("a full disk refuses batches as LevelDB does, and takes them again when there is room", async () => {
  const { disk, database } = await open(1);
  disk.isFull = true;
  await expect(put(database, "1", true)).rejects.toThrow("No space left on device");
  disk.isFull = false;
  await put(database, "1", true);
  expect([held(database, KEYS), disk.refused]).toEqual([["1"], 1]);
});

test("a copy put back is what was there, in another directory", async () => {
  const { disk, database } = await open(1);
  await put(database, "1", true);
  const copy = await disk.copy();
  const before = disk.environment.directoryStamp;
  await put(database, "2", true);
  await disk.restore(copy);
  expect(held(await reopen(disk), KEYS)).toEqual(["1"]);
  expect(disk.environment.directoryStamp).not.toBe(before);
});
