import { mkdirSync, statSync } from "node:fs";
import { dirname } from "node:path";

/**
 * Creates a directory and those above it that are missing. Node's own recursive call never ends where a file system
 * refuses a new entry as if the directory around it were missing: in /proc, and in a directory that was removed.
 * @throws the file system's error
 */
export function createDirectory(path: string): void {
  try {
    mkdirSync(path, { mode: 0o700 });
  } catch (error) {
    const code = error instanceof Error && "code" in error ? error.code : undefined;
    const parent = dirname(path);
    if (code === "ENOENT" && parent !== path) {
      createDirectory(parent);
      mkdirSync(path, { mode: 0o700 });
    } else if (!statSync(path, { throwIfNoEntry: false })?.isDirectory()) throw error;
  }
}
