/** Files that are there whole or not at all, also after a power cut. */
import { randomBytes } from "node:crypto";
import { constants, type FileHandle, mkdir, open, readdir, rename, rm, stat } from "node:fs/promises";
import { dirname, join } from "node:path";

const CREATE = constants.O_WRONLY | constants.O_CREAT | constants.O_EXCL | constants.O_NOFOLLOW;

/** Creates a file that must not be there and writes it to the disk; `prepare` sets what it shall have before that. */
export async function createSynced(
  path: string,
  bytes: Uint8Array,
  prepare: (handle: FileHandle) => Promise<void>,
): Promise<void> {
  const handle = await open(path, CREATE, 0o600);
  try {
    await handle.writeFile(bytes);
    await prepare(handle);
    await handle.sync();
  } catch (error) {
    await rm(path, { force: true });
    throw error;
  } finally {
    await handle.close();
  }
}

/** Puts one name in the place of another in the same directory, and that to the disk. */
export async function renameSynced(from: string, to: string): Promise<void> {
  await rename(from, to);
  await syncDirectory(dirname(to));
}

export async function syncDirectory(path: string): Promise<void> {
  const handle = await open(path, constants.O_RDONLY);
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
}

/** Replaces a file of the agent's own. */
export async function replaceSynced(path: string, bytes: Uint8Array): Promise<void> {
  const aside = asideOf(path);
  await createSynced(aside, bytes, () => Promise.resolve());
  await renameSynced(aside, path);
}

const ASIDE = /^\..*\.hearsay-(\d+)-[0-9a-f]{8}$/;

/**
 * A name beside a file for what shall take its place; another each time, so that nobody shares one: agents in two containers
 * may have the same process id, and two entries of one agent may lead to the same file.
 */
export function asideOf(path: string): string {
  const at = path.lastIndexOf("/") + 1;
  return `${path.slice(0, at)}.${path.slice(at)}.hearsay-${process.pid}-${randomBytes(4).toString("hex")}`;
}

/** Removes what processes that have ended left beside files: it is older than this one, which may have got their id. */
export async function removeLeftovers(directory: string): Promise<void> {
  const startedMs = Date.now() - process.uptime() * 1_000;
  for (const name of await readdir(directory)) {
    const pid = Number(ASIDE.exec(name)?.[1] ?? Number.NaN);
    if (Number.isNaN(pid) || (pid !== process.pid && isRunning(pid))) continue;
    const path = join(directory, name);
    const found = await stat(path).catch(() => undefined);
    // One of several names is a backup on its way, as old as its file; what was left of such goes when the file is replaced.
    if (found?.nlink === 1 && found.mtimeMs < startedMs) await rm(path, { force: true });
  }
}

/**
 * Creates a directory and those above it that are missing. Node's own recursive call never ends where a file system
 * refuses a new entry as if the directory around it were missing: in /proc, and in a directory that was removed.
 */
export async function createDirectory(path: string): Promise<void> {
  try {
    await mkdir(path, { mode: 0o700 });
  } catch (error) {
    const parent = dirname(path);
    if (isNotFound(error) && parent !== path) {
      await createDirectory(parent);
      await mkdir(path, { mode: 0o700 });
    } else if (!(await stat(path).catch(() => undefined))?.isDirectory()) throw error;
  }
}

export function isNotFound(error: unknown): boolean {
  return error instanceof Error && "code" in error && error.code === "ENOENT";
}

function isRunning(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return error instanceof Error && "code" in error && error.code === "EPERM";
  }
}
