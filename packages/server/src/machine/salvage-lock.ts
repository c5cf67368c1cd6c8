/** Keeps two processes from salvaging one directory: its database is closed meanwhile, and so is not locked. */
import { join } from "node:path";
import { StoreError } from "@hearsay/store";
import { Level } from "level";
import { createDirectory } from "./create-directory.ts";

/**
 * The lock of an empty database, which the system lets go of when the process ends, however it does.
 * @returns what gives it back
 * @throws StoreError `store_locked` while another process holds it
 */
export async function lockDatabase(directory: string): Promise<() => Promise<void>> {
  const path = join(directory, "lock");
  createDirectory(path);
  const lock = new Level<string, string>(path);
  try {
    await lock.open();
  } catch (error) {
    if (!isLocked(error)) throw error;
    const detail = "another process is salvaging the database";
    throw new StoreError({ code: "store_locked", detail }, { cause: error });
  }
  return () => lock.close();
}

function isLocked(error: unknown): boolean {
  if (!(error instanceof Error)) return false;
  return ("code" in error && error.code === "LEVEL_LOCKED") || isLocked(error.cause);
}
