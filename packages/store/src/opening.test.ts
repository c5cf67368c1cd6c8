/** What a store finds when it opens: clean or not, whole or in doubt. */
import { readdir, readFile, rm, stat, truncate, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { afterEach, beforeEach, expect, it } from "vitest";
import {
  hashing,
  type LevelBackend,
  levelBackend,
  recordOf,
  salvageLevel,
  textOf,
  tombstone,
  value,
} from "./backend.contract.ts";
import { Codec } from "./codec.ts";
import { journalKey, systemKey } from "./keyspace.ts";
import type { Store } from "./store.ts";

let backend: LevelBackend;
let store: Store;

beforeEach(async () => {
  backend = await levelBackend();
  const opened = await backend.open();
  expect(opened.report).toEqual({ clean: true, rebuilt: false, records: 0, damaged: 0, doubt: [] });
  store = opened.store;
});

afterEach(() => backend.dispose());

async function fill(count: number): Promise<string> {
  for (let i = 0; i < count; i++) {
    await store.put(`k${i}`, recordOf(i % 5 === 4 ? tombstone(i + 1) : value(i + 1, `v${i}`)));
  }
  return store.root();
}

it("opens clean with the same root and counters, and unclean with the same, rebuilt", async () => {
  const root = await fill(60);
  const { records, tombstones, purgeable, bytes } = store.stats();
  await store.close();
  let opened = await backend.open();
  expect(opened.report).toMatchObject({ clean: true, rebuilt: false, records: 60, doubt: [] });
  expect(opened.store.stats()).toMatchObject({ records, tombstones, purgeable, bytes });
  expect(await opened.store.root()).toBe(root);
  await backend.crash();
  opened = await backend.open();
  expect(opened.report).toMatchObject({ clean: false, rebuilt: true, records: 60, doubt: [] });
  expect(opened.store.stats()).toMatchObject({ records, tombstones, purgeable, bytes });
  expect(await opened.store.root()).toBe(root);
});

it("does not take an old checkpoint for the state of a store that was written to since", async () => {
  await fill(5);
  await store.close();
  ({ store } = await backend.open());
  await store.put("later", recordOf(value(99, "x")));
  const root = await store.root();
  await backend.crash();
  const opened = await backend.open();
  expect(opened.report).toMatchObject({ clean: false, records: 6 });
  expect(await opened.store.root()).toBe(root);
});

it("is in doubt when the newest commits are gone that the side file knows", async () => {
  await fill(20);
  await backend.crash();
  for (const name of await readdir(backend.directory())) {
    if (!name.endsWith(".log")) continue;
    const path = join(backend.directory(), name);
    await truncate(path, Math.max(0, (await stat(path)).size - 700));
  }
  const opened = await backend.open();
  expect(opened.report).toMatchObject({ clean: false, doubt: ["commits_missing"] });
  expect(opened.report.records).toBeLessThan(20);
  expect((await opened.store.verify({ deep: true })).consistent).toBe(true);
});

it("is in doubt when commits are missing in the middle, once and until it is settled", async () => {
  await fill(20);
  await backend.crash();
  const database = await backend.raw();
  const batch = database.batch();
  batch.del(journalKey(9));
  await batch.write({ sync: true });
  await database.close();
  let opened = await backend.open();
  expect(opened.report.doubt).toEqual(["commits_missing"]);
  await backend.crash();
  opened = await backend.open();
  expect(opened.report.doubt).toEqual(["commits_missing"]);
  await opened.store.settleDoubt();
  await backend.crash();
  opened = await backend.open();
  expect(opened.report.doubt).toEqual([]);
});

it("is in doubt after an unclean stop when the side file is gone", async () => {
  await fill(5);
  await backend.crash();
  backend.side.sequence = 0;
  expect((await backend.open()).report.doubt).toEqual(["commits_missing"]);
});

it.each([Number.NaN, Number.MAX_VALUE, 2 ** 53, -1, 0.5])(
  "is in doubt after an unclean stop when the side file says %d, and counts on from what it finds",
  async (sequence) => {
    await fill(5);
    await backend.crash();
    backend.side.sequence = sequence;
    const opened = await backend.open();
    expect(opened.report.doubt).toEqual(["commits_missing"]);
    await opened.store.settleDoubt();
    expect(backend.side.sequence).toBeLessThan(100);
    await backend.crash();
    expect((await backend.open()).report.doubt).toEqual([]);
  },
);

it("creates no database in the place of one that is gone where the side file cannot be read", async () => {
  await store.close();
  await rm(join(backend.directory(), "CURRENT"));
  backend.side.sequence = Number.NaN;
  await expect(backend.open()).rejects.toMatchObject({ fault: { code: "store_unreadable" } });
});

it("doubts an unclean stop across boots of a run with durability os, whatever the next one has, and no other", async () => {
  const boot = (bootId: string): { environment: { bootId: string; directoryStamp: string } } => ({
    environment: { bootId, directoryStamp: "directory-1" },
  });
  await store.close();
  store = (await backend.open(boot("boot-2"))).store;
  await backend.crash();
  let opened = await backend.open(boot("boot-2"));
  expect(opened.report.doubt).toEqual([]);
  await backend.crash();
  opened = await backend.open({ ...boot("boot-3"), durability: "fsync" });
  expect(opened.report.doubt).toEqual(["os_new_boot"]);
  await opened.store.settleDoubt();
  await backend.crash();
  opened = await backend.open(boot("boot-4"));
  expect(opened.report.doubt).toEqual([]);
  await backend.crash();
  opened = await backend.open(boot("boot-5"));
  expect(opened.report.doubt).toEqual(["os_new_boot"]);
});

it("takes an environment of a build that did not note its durability for one of the present", async () => {
  await backend.crash();
  const database = await backend.raw();
  const codec = new Codec(hashing);
  const at = systemKey("environment");
  const content = codec.decodePlain(at, database.getSync(at) ?? new Uint8Array(0));
  const { durability, ...rest } = JSON.parse(new TextDecoder().decode(content));
  expect(durability).toBe("os");
  const batch = database.batch();
  batch.put(at, codec.encodePlain(at, new TextEncoder().encode(JSON.stringify(rest))));
  await batch.write({ sync: true });
  await database.close();
  const opened = await backend.open({ environment: { bootId: "boot-2", directoryStamp: "directory-1" } });
  expect(opened.report.doubt).toEqual(["os_new_boot"]);
});

it("doubts a copied directory, also after a clean stop", async () => {
  await fill(3);
  await store.close();
  const opened = await backend.open({ environment: { bootId: "boot-1", directoryStamp: "directory-2" } });
  expect(opened.report).toMatchObject({ clean: true, doubt: ["directory_copied"], records: 3 });
});

it("moves the index to its new buckets under another digest key", async () => {
  const root = await fill(40);
  await store.close();
  let opened = await backend.open({ digestKey: new Uint8Array(32).fill(8) });
  expect(opened.report).toMatchObject({ rebuilt: true, records: 40, damaged: 0, doubt: [] });
  expect(await opened.store.root()).not.toBe(root);
  expect(await opened.store.verify({ deep: true })).toMatchObject({ consistent: true, indexEntries: 40 });
  await opened.store.close();
  opened = await backend.open();
  expect(await opened.store.root()).toBe(root);
});

it("refuses a second process, a newer layout, and a damaged database it cannot salvage, each by its code", async () => {
  await expect(backend.open()).rejects.toMatchObject({ fault: { code: "store_locked" } });
  await fill(3);
  await store.close();
  await rm(join(backend.directory(), "CURRENT"));
  await expect(backend.open()).rejects.toMatchObject({ fault: { code: "store_unreadable" } });
  expect(
    (await readdir(backend.directory())).some((name) => name.endsWith(".ldb") || name.endsWith(".log")),
  ).toBe(true);
});

const HARMS: readonly (readonly [string, (directory: string) => Promise<void>])[] = [
  ["has lost its CURRENT file", (directory) => rm(join(directory, "CURRENT"))],
  ["has a manifest with a flipped bit", (directory) => flipInManifest(directory)],
  ["has lost a table", (directory) => forTables(directory, (path) => rm(path))],
  ["has a table cut short", (directory) => forTables(directory, (path) => truncate(path, 50))],
];

async function flipInManifest(directory: string): Promise<void> {
  const name = (await readdir(directory)).find((entry) => entry.startsWith("MANIFEST"));
  const path = join(directory, name ?? "");
  const bytes = await readFile(path);
  bytes[20] = (bytes[20] ?? 0) ^ 4;
  await writeFile(path, bytes);
}

async function forTables(directory: string, harm: (path: string) => Promise<void>): Promise<void> {
  const tables = (await readdir(directory)).filter((name) => name.endsWith(".ldb"));
  expect(tables.length).toBeGreaterThan(0);
  for (const name of tables) await harm(join(directory, name));
}

for (const [what, harm] of HARMS) {
  it(`copies a database aside, salvages it and is in doubt, when it ${what}`, async () => {
    await fill(30);
    await store.close();
    // Reopening turns the log into a table.
    store = (await backend.open()).store;
    await store.put("late", recordOf(value(100, "late")));
    await backend.crash();
    await harm(backend.directory());
    let aside = "";
    const opened = await backend.open({
      salvage: async () => {
        aside = await salvageLevel(backend.directory());
      },
    });
    expect(opened.report.doubt).toContain("salvaged");
    expect((await readdir(aside)).length).toBeGreaterThan(1);
    for (let i = 0; i < 30; i++) {
      try {
        const text = textOf(opened.store.get(`k${i}`));
        if (text !== undefined) expect(text).toBe(`v${i}`);
      } catch (error) {
        expect(error).toMatchObject({ fault: { code: "record_damaged" } });
      }
    }
    await opened.store.put("k1", recordOf(value(200, "again")));
    expect(await opened.store.verify({ deep: true })).toMatchObject({ consistent: true });
  });
}
