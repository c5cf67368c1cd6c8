/** Files that are there whole or not at all, also after a power cut. */
import { constants, type FileHandle, open, readdir, rename, rm } from "node:fs/promises";
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
  await rm(aside, { force: true });
  await createSynced(aside, bytes, () => Promise.resolve());
  await renameSynced(aside, path);
}

const ASIDE = /^\..*\.hearsay-(\d+)$/;

/** A name beside a file for what shall take its place; of this process, so that two agents never share one. */
export function asideOf(path: string): string {
  const at = path.lastIndexOf("/") + 1;
  return `${path.slice(0, at)}.${path.slice(at)}.hearsay-${process.pid}`;
}

/** Removes what processes that have ended left beside files. */
export async function removeLeftovers(directory: string): Promise<void> {
  for (const name of await readdir(directory)) {
    const pid = Number(ASIDE.exec(name)?.[1] ?? Number.NaN);
    if (!Number.isNaN(pid) && pid !== process.pid && !isRunning(pid))
      await rm(join(directory, name), { force: true });
  }
}

function isRunning(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return error instanceof Error && "code" in error && error.code === "EPERM";
  }
}
