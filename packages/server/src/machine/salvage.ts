/**
 * Puts a fresh database with all that can be saved in the place of a damaged one, which is kept aside whole.
 *
 * | in the data directory | is |
 * |---|---|
 * | `db` | the database; nothing writes to a damaged one any more |
 * | `db-salvage/` | work under way: a lock, a copy of `db`, and what is saved of it so far |
 * | `db-salvaged` | what was saved, whole and synced; it only has to take its place |
 * | `db-damaged-<time>` | a damaged database as it was found |
 *
 * Invariant: `db-salvaged` appears by one rename when it is whole, and `db` leaves its place only while `db-salvaged`
 * stands ready. So after an end at any moment either `db` is as it was, and the next start begins anew, or the exchange is
 * brought to its end before anything is opened.
 *
 * LevelDB may abort the process that reads a damaged database: reading is done by a process of its own.
 */
import { fork } from "node:child_process";
import { existsSync } from "node:fs";
import { copyFile, mkdir, readdir, rename, rm } from "node:fs/promises";
import { createRequire } from "node:module";
import { join } from "node:path";
import { setImmediate } from "node:timers/promises";
import { createDirectory } from "./create-directory.ts";
import { lockDatabase } from "./salvage-lock.ts";
import { syncPath } from "./sync-path.ts";

/** Oldest copies go first: a disk that keeps failing must not fill itself with what it damaged. */
export const MAX_DAMAGED_COPIES = 3;

const DAMAGED_PREFIX = "db-damaged-";

export interface SalvageReport {
  /** Where the damaged database is kept. */
  readonly copy: string;
  /** Entries that were saved. */
  readonly copied: number;
  /** Ranges of which a part could not be read. */
  readonly gaps: number;
  /** It did not open by itself: LevelDB's repair was run on a copy first. */
  readonly repaired: boolean;
  /** Tables that abort whoever opens them together with others, and whose entries are therefore missing. */
  readonly leftOut: number;
}

/** What the process that reads tells when it is done. */
export type SalvageOutcome =
  | { readonly ok: true; readonly copied: number; readonly gaps: number }
  /** `crashed`: the process did not live to say why. */
  | { readonly ok: false; readonly reason: string; readonly crashed: boolean };

interface Places {
  readonly root: string;
  readonly database: string;
  readonly work: string;
  readonly salvaged: string;
}

function placesIn(root: string): Places {
  return {
    root,
    database: join(root, "db"),
    work: join(root, "db-salvage"),
    salvaged: join(root, "db-salvaged"),
  };
}

/** @throws Error when nothing can be saved; then everything is as it was */
export async function salvageDatabase(root: string, nowMs: number): Promise<SalvageReport> {
  const places = placesIn(root);
  if (!existsSync(places.database)) throw new Error(`there is no ${places.database}`);
  createDirectory(places.work);
  const unlock = await lockDatabase(places.work);
  try {
    const { copied, gaps, repaired, leftOut } = await rewrite(places);
    const fresh = join(places.work, "fresh");
    // LevelDB syncs the last of the logs it was written by, and not those before.
    for (const name of await readdir(fresh)) {
      syncPath(join(fresh, name));
      // Many of them take long, and others wait to be answered.
      await setImmediate();
    }
    syncPath(fresh);
    await rename(fresh, places.salvaged);
    syncPath(root);
    const copy = await exchange(places, nowMs);
    return { copy, copied, gaps, repaired, leftOut };
  } finally {
    await unlock();
    await rm(places.work, { recursive: true, force: true });
  }
}

/**
 * Brings a salvage to its end that an earlier run left unfinished, or clears away what it had begun.
 * @returns where the damaged database is kept, if an exchange was finished
 * @throws StoreError `store_locked` while another process is at it
 */
export async function resumeSalvage(root: string, nowMs: number): Promise<string | undefined> {
  const places = placesIn(root);
  if (!existsSync(places.work) && !existsSync(places.salvaged)) return undefined;
  createDirectory(places.work);
  const unlock = await lockDatabase(places.work);
  try {
    return existsSync(places.salvaged) ? await exchange(places, nowMs) : undefined;
  } finally {
    await unlock();
    await rm(places.work, { recursive: true, force: true });
  }
}

/**
 * Whether a process that opens the database lives on. To be asked after an opening that has not come to its end.
 * @throws Error when somebody has ended that process
 */
export async function survivesOpening(root: string): Promise<boolean> {
  const { database } = placesIn(root);
  if (!existsSync(database)) return true;
  const outcome = await readApart([database, "", "look"]);
  return outcome.ok || !outcome.crashed;
}

async function rewrite(places: Places): Promise<Omit<SalvageReport, "copy">> {
  const reasons: string[] = [];
  for (const how of ["open", "repair", "sift"] as const) {
    const copy = join(places.work, "copy");
    const fresh = join(places.work, "fresh");
    for (const path of [copy, fresh]) await rm(path, { recursive: true, force: true });
    await copyDatabase(places.database, copy);
    const leftOut = how === "sift" ? await siftTables(copy, join(places.work, "alone")) : [];
    const repaired = how !== "open";
    const outcome = await readApart([copy, fresh, repaired ? "repair" : "open"]);
    if (outcome.ok && outcome.copied > 0) return { ...outcome, repaired, leftOut: leftOut.length };
    reasons.push(`${how}: ${outcome.ok ? "nothing was found" : outcome.reason}`);
  }
  throw new Error(`nothing of the database could be saved (${reasons.join("; ")})`);
}

/** Node's own copy of whole directories looks at all above them, which may be closed to this user. LevelDB's are flat. */
async function copyDatabase(from: string, to: string): Promise<void> {
  await mkdir(to, { mode: 0o700 });
  for (const entry of await readdir(from, { withFileTypes: true })) {
    if (entry.isFile()) await copyFile(join(from, entry.name), join(to, entry.name));
  }
}

/**
 * Removes the tables whose keys are out of order. LevelDB aborts when it compacts one, which it may begin to do as it opens,
 * so that a single table keeps all others from being read. Each is tried alone, in a process of its own.
 * @param alone a directory to be made for it
 * @returns the names of the tables that are gone
 */
export async function siftTables(copy: string, alone: string): Promise<readonly string[]> {
  const removed: string[] = [];
  for (const name of (await readdir(copy)).filter((file) => /\.(?:ldb|sst)$/.test(file))) {
    await rm(alone, { recursive: true, force: true });
    await mkdir(alone, { mode: 0o700 });
    await copyFile(join(copy, name), join(alone, name));
    if ((await readApart([alone, "", "compact"])).ok) continue;
    await rm(join(copy, name));
    removed.push(name);
  }
  return removed;
}

/** What a process is ended with that fails by itself. All others come from outside, and say nothing of the database. */
const CRASHES: readonly NodeJS.Signals[] = ["SIGABRT", "SIGSEGV", "SIGBUS", "SIGILL", "SIGFPE", "SIGTRAP"];

/** Runs the reading process to its end. @throws Error when somebody else ends it */
function readApart(args: readonly string[]): Promise<SalvageOutcome> {
  const script = createRequire(import.meta.url).resolve("@hearsay/server/salvage-process");
  return new Promise((resolve, reject) => {
    const child = fork(script, args, {
      execArgv: [],
      // A signal to the group, as by Ctrl-C, is for this process to heed. The other ends with the channel between them.
      detached: true,
      stdio: ["ignore", "ignore", "ignore", "ipc"],
    });
    let told: SalvageOutcome | undefined;
    child.on("message", (message) => {
      told = outcomeOf(message);
    });
    child.on("error", reject);
    child.on("exit", (code, signal) => {
      const reason = `the process that reads the database was ended with ${signal ?? code}`;
      if (told !== undefined) resolve(told);
      else if (signal === null || CRASHES.includes(signal)) resolve({ ok: false, reason, crashed: true });
      else reject(new Error(reason));
    });
  });
}

function outcomeOf(message: unknown): SalvageOutcome | undefined {
  if (typeof message !== "object" || message === null) return undefined;
  const { copied, gaps, reason }: { copied?: unknown; gaps?: unknown; reason?: unknown } = message;
  if (typeof copied === "number" && typeof gaps === "number") return { ok: true, copied, gaps };
  return typeof reason === "string" ? { ok: false, reason, crashed: false } : undefined;
}

/** Puts `db-salvaged` in the place of `db`, which may have left it already. */
async function exchange(places: Places, nowMs: number): Promise<string> {
  const time = new Date(nowMs).toISOString().replaceAll(/[:.]/g, "-");
  const copy = join(places.root, `${DAMAGED_PREFIX}${time}`);
  if (existsSync(places.database)) await rename(places.database, copy);
  await rename(places.salvaged, places.database);
  syncPath(places.root);
  const copies = await dropDamagedCopies(places.root, MAX_DAMAGED_COPIES);
  return join(places.root, copies.at(-1) ?? "");
}

/**
 * Removes the oldest copies of damaged databases, all but so many.
 * @returns the names of all there were, oldest first
 */
export async function dropDamagedCopies(root: string, kept: number): Promise<readonly string[]> {
  const copies = (await readdir(root)).filter((name) => name.startsWith(DAMAGED_PREFIX)).sort();
  for (const old of copies.slice(0, Math.max(0, copies.length - kept))) {
    await rm(join(root, old), { recursive: true, force: true });
  }
  return copies;
}
