/**
 * Root may open the directory of any user's node, and what it makes there that node may not even read: it would not start any
 * more.
 */
import { statSync } from "node:fs";
import { join } from "node:path";
import { CliError, EXIT } from "./failure.ts";
import type { Io } from "./io.ts";

interface Owner {
  readonly uid: number;
  readonly gid: number;
}

/** Who has run a node on the directory last, where this process is root's and that one is not. */
function strangeOwner(directory: string): Owner | undefined {
  if (process.getuid?.() !== 0) return undefined;
  // Each start makes this file anew. A node of root's may well use a directory that was made for it by another user.
  const used =
    statSync(join(directory, "sequence"), { throwIfNoEntry: false }) ??
    statSync(join(directory, "db"), { throwIfNoEntry: false });
  return used === undefined || used.uid === 0 ? undefined : used;
}

/**
 * Gives up root's rights for those of the user whose node it is, for good: only once everything else has been read.
 * @returns the path by which the directory is to be opened from now on
 * @throws CliError where this process may not
 */
export async function workAsOwner(io: Io, directory: string): Promise<string> {
  const owner = strangeOwner(directory);
  if (owner === undefined) return directory;
  const { uid, gid } = owner;
  try {
    // Those above it may be closed to that user, as systemd's are to its dynamic ones.
    process.chdir(directory);
    process.setgroups?.([gid]);
    process.setgid?.(gid);
    process.setuid?.(uid);
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    throw new CliError(
      `${directory} is of the node of user ${uid}, and this process cannot work as that: ${reason}`,
      {
        code: "directory_of_another_user",
        exit: EXIT.error,
        next: "Run the command as that user.",
      },
    );
  }
  await io.err.write(`Working as user ${uid}, whose node it is.\n`);
  return ".";
}

/** @throws CliError where a node of this process would take the directory away from the one of another user */
export function requireOwn(directory: string): void {
  const owner = strangeOwner(directory);
  if (owner === undefined) return;
  throw new CliError(`${directory} is of the node of user ${owner.uid}, which root would lock out of it`, {
    code: "directory_of_another_user",
    exit: EXIT.error,
    next: `Start the node as that user. If it is to be root's from now on: chown -R root ${directory}`,
  });
}
