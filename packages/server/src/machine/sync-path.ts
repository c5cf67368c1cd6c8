import { closeSync, fsyncSync, openSync } from "node:fs";

/** Of a file or a directory: what was written to it, or renamed in it, outlives a power cut. */
export function syncPath(path: string): void {
  const fd = openSync(path, "r");
  try {
    fsyncSync(fd);
  } finally {
    closeSync(fd);
  }
}
