/**
 * The process that reads a copy of a damaged database: `salvage-process COPY FRESH open|repair`. It tells its parent what
 * it has saved, and ends with it. With `compact` it only sees whether LevelDB survives the tables of the copy, and
 * with `look` whether it survives opening a database as it is.
 */
import { setTimeout as pause } from "node:timers/promises";
import { rewriteDatabase } from "@hearsay/store";
import { Level } from "level";
import { hashing } from "./hashing.ts";

type RawDatabase = Level<Uint8Array, Uint8Array>;

/** Spaces are letters. */
const BEFORE_ALL = Uint8Array.of(0);
const BEHIND_ALL = Uint8Array.of(255);

const ENCODINGS = { keyEncoding: "view", valueEncoding: "view" } as const;

/** With so many tables on its first level LevelDB begins a compaction as it opens (db/dbformat.h, kL0_CompactionTrigger). */
const COMPACTION_TRIGGER = 4;
const LOOK_MS = 30_000;
const LOOK_AGAIN_MS = 20;

/** Waits for the compaction that begins with the opening, which a close would break off. */
async function look(database: string): Promise<object> {
  const opened: RawDatabase = new Level<Uint8Array, Uint8Array>(database, ENCODINGS);
  await opened.open({ createIfMissing: false });
  const property: unknown = Reflect.get(opened, "getProperty");
  if (typeof property !== "function") throw new Error("this build of level does not tell its properties");
  const endMs = performance.now() + LOOK_MS;
  while (performance.now() < endMs) {
    const tables = Number(property.call(opened, "leveldb.num-files-at-level0"));
    if (!(tables >= COMPACTION_TRIGGER)) break;
    await pause(LOOK_AGAIN_MS);
  }
  await opened.close();
  return { copied: 0, gaps: 0 };
}

async function compact(copy: string): Promise<object> {
  await repair(copy);
  const database: RawDatabase = new Level<Uint8Array, Uint8Array>(copy, ENCODINGS);
  await database.open({ createIfMissing: false });
  const run: unknown = Reflect.get(database, "compactRange");
  if (typeof run !== "function") throw new Error("this build of level cannot compact a database");
  await run.call(database, BEFORE_ALL, BEHIND_ALL);
  await database.close();
  return { copied: 0, gaps: 0 };
}

async function save(copy: string, fresh: string, how: string): Promise<object> {
  if (how === "repair") await repair(copy);
  const from: RawDatabase = new Level<Uint8Array, Uint8Array>(copy, ENCODINGS);
  const to: RawDatabase = new Level<Uint8Array, Uint8Array>(fresh, ENCODINGS);
  await from.open({ createIfMissing: false });
  await to.open({ errorIfExists: true });
  const report = await rewriteDatabase(from, to, hashing);
  await to.close();
  await from.close();
  return report;
}

/** `Level` is classic-level's class on Node, whose `repair` its own types leave out, as browsers have none. */
async function repair(location: string): Promise<void> {
  const run: unknown = Reflect.get(Level, "repair");
  if (typeof run !== "function") throw new Error("this build of level cannot repair a database");
  await run.call(Level, location);
}

function run(): Promise<object> {
  if (how === "look") return look(copy);
  return how === "compact" ? compact(copy) : save(copy, fresh, how);
}

function innermost(error: unknown): string {
  return error instanceof Error && error.cause !== undefined ? innermost(error.cause) : String(error);
}

process.on("disconnect", () => process.exit(1));
const [copy = "", fresh = "", how = ""] = process.argv.slice(2);
const told = await run().catch((error: unknown) => ({ reason: innermost(error) }));
process.send?.(told, () => process.exit(0));
