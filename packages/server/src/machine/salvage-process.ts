/**
 * The process that reads a copy of a damaged database: `salvage-process COPY FRESH open|repair`. It tells its parent what
 * it has saved, and ends with it. With `compact` it only sees whether LevelDB survives the tables of the copy.
 */
import { rewriteDatabase } from "@hearsay/store";
import { Level } from "level";
import { hashing } from "./hashing.ts";

type RawDatabase = Level<Uint8Array, Uint8Array>;

/** Spaces are letters. */
const BEFORE_ALL = Uint8Array.of(0);
const BEHIND_ALL = Uint8Array.of(255);

const ENCODINGS = { keyEncoding: "view", valueEncoding: "view" } as const;

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

function innermost(error: unknown): string {
  return error instanceof Error && error.cause !== undefined ? innermost(error.cause) : String(error);
}

process.on("disconnect", () => process.exit(1));
const [copy = "", fresh = "", how = ""] = process.argv.slice(2);
const work = how === "compact" ? compact(copy) : save(copy, fresh, how);
const told = await work.catch((error: unknown) => ({ reason: innermost(error) }));
process.send?.(told, () => process.exit(0));
