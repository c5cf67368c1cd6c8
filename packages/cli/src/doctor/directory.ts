/** Checks of the data directory, without opening or changing anything in it. */
import { constants } from "node:fs";
import { access, readdir, readFile, stat, statfs } from "node:fs/promises";
import { dirname, join, resolve } from "node:path";
import { shownBytes } from "../progress.ts";
import type { Finding } from "./finding.ts";

const FREE_MINIMUM_BYTES = 256 * 1024 ** 2;
const FREE_RECOMMENDED_BYTES = 2 * 1024 ** 3;

/** statfs(2) magic numbers of file systems that do not keep what LevelDB needs: locks, fsync, or the data itself. */
const DOUBTFUL_FILE_SYSTEMS: ReadonlyMap<number, string> = new Map([
  [0x6969, "NFS"],
  [0xff534d42, "CIFS"],
  [0xfe534d42, "SMB"],
  [0x517b, "SMB"],
  [0x65735546, "FUSE"],
  [0x01021994, "tmpfs, which is gone after a restart of the machine"],
  [0x858458f6, "ramfs, which is gone after a restart of the machine"],
]);

export async function checkDirectory(path: string): Promise<Finding[]> {
  const directory = resolve(path);
  const existing = await nearestExisting(directory);
  const findings = [await checkAccess(directory, existing), ...(await checkFileSystem(existing))];
  if (existing === directory) findings.push(await checkLock(directory));
  return findings;
}

async function nearestExisting(path: string): Promise<string> {
  for (let at = path; ; at = dirname(at)) {
    if (await exists(at)) return at;
    if (at === dirname(at)) return at;
  }
}

async function exists(path: string): Promise<boolean> {
  return access(path).then(
    () => true,
    () => false,
  );
}

async function checkAccess(directory: string, existing: string): Promise<Finding> {
  const check = "data directory";
  if (!(await stat(existing)).isDirectory()) {
    return { check, status: "bad", detail: `${existing} is no directory`, next: "Name another with --data." };
  }
  try {
    await access(existing, constants.R_OK | constants.W_OK | constants.X_OK);
    if (existing !== directory) {
      return { check, status: "ok", detail: `${directory} will be created` };
    }
    const entries = await readdir(directory);
    return { check, status: "ok", detail: `${directory}${entries.length === 0 ? ", empty" : ""}` };
  } catch {
    return {
      check,
      status: "bad",
      detail: `${existing} is not readable and writable for this user`,
      next: `Give it to the user the node runs as: chown -R USER ${existing}`,
    };
  }
}

async function checkFileSystem(existing: string): Promise<Finding[]> {
  const info = await statfs(existing);
  const free = info.bavail * info.bsize;
  const space: Finding =
    free >= FREE_RECOMMENDED_BYTES
      ? { check: "free space", status: "ok", detail: shownBytes(free) }
      : {
          check: "free space",
          status: free < FREE_MINIMUM_BYTES ? "bad" : "warn",
          detail: shownBytes(free),
          next: "Make room, or put the data directory on a larger disk with --data.",
        };
  const doubtful = DOUBTFUL_FILE_SYSTEMS.get(info.type);
  if (doubtful === undefined) {
    return [space, { check: "file system", status: "ok", detail: `type 0x${info.type.toString(16)}` }];
  }
  const next = "Put the data directory on a local disk with --data.";
  return [space, { check: "file system", status: "warn", detail: doubtful, next }];
}

/**
 * LevelDB takes a POSIX record lock on a file named LOCK, and Linux lists those in /proc/locks by inode. Opening the
 * database to find out would replay its log.
 */
async function checkLock(directory: string): Promise<Finding> {
  const check = "lock";
  const locks = await lockFiles(directory);
  if (locks.length === 0) return { check, status: "ok", detail: "no node has used the directory yet" };
  const held = await readFile("/proc/locks", "utf8").catch(() => undefined);
  if (held === undefined) return { check, status: "ok", detail: "this system does not tell who holds it" };
  for (const file of locks) {
    const { ino } = await stat(file);
    const holder = lockHolder(held, ino);
    if (holder !== undefined) {
      return {
        check,
        status: "warn",
        detail: `process ${holder} has the directory open`,
        next: "That is right if it is the node; a second node needs a directory of its own.",
      };
    }
  }
  return { check, status: "ok", detail: "not held by any process" };
}

async function lockFiles(directory: string): Promise<string[]> {
  const entries = await readdir(directory, { withFileTypes: true }).catch(() => []);
  const candidates = [
    directory,
    ...entries.filter((e) => e.isDirectory()).map((e) => join(directory, e.name)),
  ];
  const found: string[] = [];
  for (const candidate of candidates) {
    const file = join(candidate, "LOCK");
    if (await exists(file)) found.push(file);
  }
  return found;
}

/** The process that holds a lock on the inode. A line reads `1: POSIX  ADVISORY  WRITE 4711 fd:00:1234 0 EOF`. */
export function lockHolder(procLocks: string, inode: number): number | undefined {
  for (const line of procLocks.split("\n")) {
    const [, , , , pid, device] = line.trim().split(/\s+/);
    if (device?.endsWith(`:${inode}`) === true) return Number(pid);
  }
  return undefined;
}
