import {
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  truncateSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { basename, join } from "node:path";
import { encodeUtf8, SeededRandom } from "@hearsay/core";
import { StoreError, type StoreEvent } from "@hearsay/store";
import { Level } from "level";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it, vi } from "vitest";
import type { Settings } from "../config/knobs.ts";
import { loadConfig } from "../config/load.ts";
import { type OpenedStore, openStore } from "../open-store.ts";
import {
  MAX_DAMAGED_COPIES,
  resumeSalvage,
  salvageDatabase,
  siftTables,
  survivesOpening,
} from "./salvage.ts";
import { lockDatabase } from "./salvage-lock.ts";

const RECORDS = 800;
const VALUE_BYTES = 300;
const NODE = "n~aaaaaaaaaa";

let root: string;
let whole: string;
let data: string;
let logged: { event: string; fields: Readonly<Record<string, unknown>> }[];
let events: StoreEvent[];
let opened: OpenedStore | undefined;

function settingsFor(path: string): Settings {
  // So small that the records fill several tables.
  const flags = { data: path, "store.writeBufferBytes": "64KiB" };
  return loadConfig({ flags, environment: {}, file: undefined }).settings;
}

function openApart(path: string): Promise<OpenedStore> {
  const note = (event: string, fields: Readonly<Record<string, unknown>>): void => {
    logged.push({ event, fields });
  };
  return openStore(settingsFor(path), { info: note, warn: note, error: note }, (event) => events.push(event));
}

async function open(path: string): Promise<OpenedStore> {
  opened = await openApart(path);
  return opened;
}

/** Bytes that do not compress, so that the tables hold keys as they are. */
function bytesOf(i: number): Uint8Array {
  const random = new SeededRandom(i + 1);
  return Uint8Array.from({ length: VALUE_BYTES }, () => Math.floor(random.next() * 256));
}

function keyOf(i: number): string {
  return `key-${String(i).padStart(5, "0")}`;
}

/** Wrong answers, and how many keys are missing or refused. */
function readEvery({ store }: OpenedStore): { wrong: string[]; lost: number } {
  const wrong: string[] = [];
  let lost = 0;
  for (let i = 0; i < RECORDS; i++) {
    try {
      const sibling = store.get(keyOf(i))?.siblings[0];
      if (sibling?.kind !== "value") lost += 1;
      else if (Buffer.compare(sibling.bytes, bytesOf(i)) !== 0) wrong.push(keyOf(i));
    } catch (error) {
      if (!(error instanceof StoreError)) throw error;
      lost += 1;
    }
  }
  return { wrong, lost };
}

function files(suffix: string): string[] {
  const database = join(data, "db");
  return readdirSync(database)
    .filter((name) => name.includes(suffix))
    .map((name) => join(database, name));
}

function copies(): string[] {
  return readdirSync(data).filter((name) => name.startsWith("db-damaged-"));
}

beforeAll(async () => {
  root = mkdtempSync(join(tmpdir(), "hearsay-salvage-"));
  whole = join(root, "whole");
  logged = [];
  events = [];
  const { store, close } = await open(whole);
  for (let i = 0; i < RECORDS; i++) {
    const version = { time: i + 1, node: NODE };
    const bytes = bytesOf(i);
    void store.put(keyOf(i), {
      context: new Map([[NODE, i + 1]]),
      siblings: [{ kind: "value", version, bytes, contentType: "a/b", expiresAtMs: null }],
    });
    if (i % 100 === 99) await store.flush();
  }
  await close();
});

afterAll(() => rmSync(root, { recursive: true }));

beforeEach((context) => {
  data = join(root, context.task.id);
  logged = [];
  events = [];
  cpSync(whole, data, { recursive: true, preserveTimestamps: true });
});

afterEach(async () => {
  vi.unstubAllEnvs();
  await opened?.close();
  opened = undefined;
});

/** Finds damage by a scan, as lookups in a damaged table may set LevelDB to compacting it. The next start salvages. */
async function readAll(): Promise<void> {
  const { store, close } = await open(data);
  await store.verify({ deep: true }).catch((error: unknown) => {
    if (!(error instanceof StoreError)) throw error;
  });
  await close();
}

/** Puts the keys of one table out of order. @returns its name */
function disorder(): string {
  const [table] = files(".ldb").filter((path) => readFileSync(path).includes("rkey-0"));
  if (table === undefined) throw new Error("no table holds whole keys");
  const bytes = readFileSync(table);
  const at = bytes.indexOf("rkey-0", bytes.indexOf("rkey-0") + 1);
  bytes[at + 1] = (bytes[at + 1] ?? 0) ^ 1;
  writeFileSync(table, bytes);
  return basename(table);
}

/** As by `kill` at their beginning. */
function childrenDieOf(signal: NodeJS.Signals): void {
  const program = `process.kill(process.pid,${JSON.stringify(signal)});setInterval(()=>0,1000)`;
  vi.stubEnv("NODE_OPTIONS", `--import=data:text/javascript,${encodeURIComponent(program)}`);
}

/** The copied directory has another stamp, so doubt alone would prove nothing. */
async function expectSalvaged(): Promise<OpenedStore> {
  const server = await open(data);
  expect(logged.map(({ event }) => event)).toContain("database_salvaged");
  expect(server.report.doubt).toContain("salvaged");
  expect(copies()).toHaveLength(1);
  expect(readdirSync(data).filter((name) => name.startsWith("db-salvage"))).toEqual([]);
  return server;
}

describe("a damaged database", () => {
  it("with a cut MANIFEST is repaired in a copy, and nothing is lost", async () => {
    for (const path of files("MANIFEST")) truncateSync(path, 10);
    const server = await expectSalvaged();
    expect(logged.find(({ event }) => event === "database_salvaged")?.fields).toMatchObject({
      repaired: true,
    });
    expect(readEvery(server)).toEqual({ wrong: [], lost: 0 });
  });

  it.each(["as it is", "emptied"])(
    "without CURRENT is not taken for an empty one, with its side file %s",
    async (how) => {
      for (const path of files("CURRENT")) rmSync(path);
      if (how === "emptied") truncateSync(join(data, "sequence"), 0);
      expect(readEvery(await expectSalvaged())).toEqual({ wrong: [], lost: 0 });
    },
  );

  it("with keys out of order in a table is rewritten, and can be compacted afterwards", async () => {
    disorder();
    await readAll();
    const server = await expectSalvaged();
    const { wrong, lost } = readEvery(server);
    expect(wrong).toEqual([]);
    expect(lost).toBeLessThan(RECORDS / 10);
    expect(await server.store.verify({ deep: true })).toMatchObject({ consistent: true });
    await server.close();
    const again = await open(data);
    expect(again.report).toMatchObject({ clean: true });
    expect(copies()).toHaveLength(1);
  });

  it("that aborts whoever opens it is saved without the table that does it", async () => {
    const table = disorder();
    const tables = files(".ldb").map((path) => basename(path));
    expect(await siftTables(join(data, "db"), join(data, "alone"))).toEqual([table]);
    expect(files(".ldb").map((path) => basename(path))).toEqual(tables.filter((name) => name !== table));
    for (const path of files("MANIFEST")) truncateSync(path, 10);
    const { wrong, lost } = readEvery(await expectSalvaged());
    expect(wrong).toEqual([]);
    expect(lost).toBeGreaterThan(0);
    expect(lost).toBeLessThan(RECORDS / 2);
  });

  it("that aborts the process that opens it is salvaged by the next start", async () => {
    disorder();
    // With all its tables on the level where the opening begins a compaction.
    const repair: unknown = Reflect.get(Level, "repair");
    if (typeof repair !== "function") throw new Error("this build of level cannot repair a database");
    await repair.call(Level, join(data, "db"));
    expect(files(".ldb").length).toBeGreaterThan(3);
    expect(await survivesOpening(data)).toBe(false);
    writeFileSync(join(data, "opening"), "");
    const { wrong, lost } = readEvery(await expectSalvaged());
    expect(wrong).toEqual([]);
    expect(lost).toBeLessThan(RECORDS / 2);
    expect(logged.find(({ event }) => event === "database_salvaged")?.fields).toMatchObject({ leftOut: 1 });
    expect(existsSync(join(data, "opening"))).toBe(false);
  });

  it("is left alone after an opening that was only cut off", async () => {
    writeFileSync(join(data, "opening"), "");
    expect(readEvery(await open(data))).toEqual({ wrong: [], lost: 0 });
    expect(copies()).toEqual([]);
  });

  it("is left alone where somebody ends the process that looks at it, and looked at by the next start", async () => {
    writeFileSync(join(data, "opening"), "");
    const before = readdirSync(data);
    for (const signal of ["SIGINT", "SIGTERM", "SIGKILL"] as const) {
      childrenDieOf(signal);
      await expect(open(data)).rejects.toMatchObject({
        fault: { code: "store_unreadable", detail: expect.stringContaining(signal) },
      });
      expect(readdirSync(data)).toEqual(before);
    }
    vi.unstubAllEnvs();
    expect(readEvery(await open(data))).toEqual({ wrong: [], lost: 0 });
    expect(copies()).toEqual([]);
  });

  it.each(["SIGABRT", "SIGSEGV"] as const)("is found to end a process by %s", async (signal) => {
    childrenDieOf(signal);
    expect(await survivesOpening(data)).toBe(false);
  });

  it("keeps the mark of the process that opens it where another one finds it locked, and none of that one", async () => {
    const { store } = await open(data);
    await expect(openApart(data)).rejects.toMatchObject({ fault: { code: "store_locked" } });
    expect(existsSync(join(data, "opening"))).toBe(false);
    writeFileSync(join(data, "opening"), "");
    await expect(openApart(data)).rejects.toMatchObject({ fault: { code: "store_locked" } });
    expect(existsSync(join(data, "opening"))).toBe(true);
    expect(store.sequence).toBeGreaterThan(0);
  });

  it("is kept as it was found", async () => {
    for (const path of files("MANIFEST")) truncateSync(path, 10);
    const before = new Map(files("").map((path) => [path.split("/").at(-1), readFileSync(path)]));
    await expectSalvaged();
    const kept = join(data, copies()[0] ?? "");
    for (const [name, bytes] of before) {
      // LevelDB's own log and lock change whenever it looks at the directory.
      if (name === undefined || name.startsWith("LO")) continue;
      expect(Buffer.compare(readFileSync(join(kept, name)), bytes), name).toBe(0);
    }
  });

  it("of which nothing can be read stays as it is, and is not replaced by an empty one", async () => {
    for (const path of [...files(".ldb"), ...files(".log"), ...files("MANIFEST")]) truncateSync(path, 0);
    await expect(open(data)).rejects.toMatchObject({ fault: { code: "store_unreadable" } });
    expect(copies()).toEqual([]);
    expect(readdirSync(data).filter((name) => name.startsWith("db"))).toEqual(["db"]);
    rmSync(join(data, "db"), { recursive: true });
    await expect(open(data)).rejects.toMatchObject({ fault: { code: "store_unreadable" } });
    expect(existsSync(join(data, "db-salvage"))).toBe(false);
  });

  it("is never served wrongly, whichever bit of a table is flipped", async () => {
    const random = new SeededRandom(Number(process.env["HEARSAY_TEST_SEED"] ?? 5));
    for (let round = 0; round < 4; round++) {
      rmSync(data, { recursive: true });
      cpSync(whole, data, { recursive: true, filter: (path) => !path.endsWith("sequence") });
      const tables = files(".ldb");
      const table = tables[Math.floor(random.next() * tables.length)] ?? "";
      const bytes = readFileSync(table);
      const at = Math.floor(random.next() * bytes.length);
      bytes[at] = (bytes[at] ?? 0) ^ (1 << Math.floor(random.next() * 8));
      writeFileSync(table, bytes);
      await readAll();
      const server = await open(data);
      const { wrong, lost } = readEvery(server);
      expect(wrong, `round ${round}, byte ${at}`).toEqual([]);
      if (lost > 0)
        expect(server.store.stats().doubt.length, `round ${round}, byte ${at}`).toBeGreaterThan(0);
      await server.close();
    }
  });
});

describe("a salvage that was cut off", () => {
  beforeEach(() => {
    for (const path of files("MANIFEST")) truncateSync(path, 10);
  });

  it("while it read is begun anew", async () => {
    mkdirSync(join(data, "db-salvage", "fresh"), { recursive: true });
    writeFileSync(join(data, "db-salvage", "fresh", "CURRENT"), "half");
    expect(readEvery(await expectSalvaged())).toEqual({ wrong: [], lost: 0 });
  });

  for (const moved of [false, true]) {
    it(`${moved ? "after" : "before"} the damaged database left its place is brought to its end, in doubt`, async () => {
      const damaged = join(root, `damaged-${moved}`);
      cpSync(join(data, "db"), damaged, { recursive: true });
      await salvageDatabase(data, 0);
      for (const name of copies()) rmSync(join(data, name), { recursive: true });
      renameSync(join(data, "db"), join(data, "db-salvaged"));
      renameSync(damaged, join(data, moved ? "db-damaged-1970-01-01T00-00-00-000Z" : "db"));
      const server = await open(data);
      expect(logged.map(({ event }) => event)).toEqual(["salvage_resumed"]);
      expect(copies()).toHaveLength(1);
      expect(server.report.doubt).toContain("salvaged");
      expect(readEvery(server)).toEqual({ wrong: [], lost: 0 });
    });
  }

  it("is not touched while the other process still runs", async () => {
    const work = join(data, "db-salvage");
    mkdirSync(work);
    const unlock = await lockDatabase(work);
    await expect(open(data)).rejects.toMatchObject({ fault: { code: "store_locked" } });
    expect(existsSync(work)).toBe(true);
    await unlock();
    expect(readEvery(await expectSalvaged())).toEqual({ wrong: [], lost: 0 });
  });
});

it("keeps only the newest damaged databases", async () => {
  for (let i = 0; i < MAX_DAMAGED_COPIES + 2; i++) await salvageDatabase(data, i * 1000);
  expect(copies().length).toBe(MAX_DAMAGED_COPIES);
  expect(copies().sort().at(-1)).toContain(`00-00-0${MAX_DAMAGED_COPIES + 1}`);
  expect(await resumeSalvage(data, 0)).toBeUndefined();
  expect(encodeUtf8(readFileSync(join(data, "db", "CURRENT"), "utf8")).length).toBeGreaterThan(0);
});
