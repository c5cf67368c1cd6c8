/**
 * The process that reads a copy of a damaged database: `salvage-process COPY FRESH open|repair`. It tells its parent what
 * it has saved, and ends with it.
 */
import { rewriteDatabase } from "@hearsay/store";
import { Level } from "level";
import { hashing } from "./hashing.ts";

type RawDatabase = Level<Uint8Array, Uint8Array>;

const ENCODINGS = { keyEncoding: "view", valueEncoding: "view" } as const;

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
const told = await save(copy, fresh, how).catch((error: unknown) => ({ reason: innermost(error) }));
process.send?.(told, () => process.exit(0));
