/** What happens to the directory of a node. */
import { execFile } from "node:child_process";
import { cp, mkdir, open, readdir, rm, stat } from "node:fs/promises";
import { join } from "node:path";
import { promisify } from "node:util";
import { type RandomSource, randomBelow } from "@hearsay/core";

const run = promisify(execFile);

/** Room for LevelDB's journal and tables of a short run, and quickly filled. */
const SMALL_DISK_BYTES: number = 48 * 1024 * 1024;
const FILLER = "filler";
const FILL_BYTES: number = 64 * 1024;

/** A file system of its own for one node. */
export class SmallDisk {
  readonly path: string;

  private constructor(path: string) {
    this.path = path;
  }

  /** Undefined where this process may not mount. */
  static async mount(path: string): Promise<SmallDisk | undefined> {
    await mkdir(path, { recursive: true });
    try {
      await run("mount", ["-t", "tmpfs", "-o", `size=${SMALL_DISK_BYTES},mode=0700`, "tmpfs", path]);
      return new SmallDisk(path);
    } catch {
      return undefined;
    }
  }

  /** Leaves no byte free. */
  async fill(): Promise<void> {
    const file = await open(join(this.path, FILLER), "w");
    try {
      for (let size = FILL_BYTES; size >= 1; ) {
        const { bytesWritten } = await file.write(Buffer.alloc(size, 1)).catch(() => ({ bytesWritten: 0 }));
        if (bytesWritten < size) size = Math.floor(size / 2);
      }
    } finally {
      await file.close();
    }
  }

  async makeRoom(): Promise<void> {
    await rm(join(this.path, FILLER), { force: true });
  }

  async unmount(): Promise<void> {
    await run("umount", ["-l", this.path]);
  }
}

export async function loseDirectory(path: string): Promise<void> {
  await rm(path, { recursive: true, force: true });
}

export async function copyDirectory(from: string, to: string): Promise<void> {
  await rm(to, { recursive: true, force: true });
  await cp(from, to, { recursive: true });
}

/** Flips single bits at random places of the database's files. @returns which */
export async function flipBits(path: string, random: RandomSource, count: number): Promise<string[]> {
  const files: { readonly name: string; readonly path: string; readonly size: number }[] = [];
  for (const entry of await readdir(path, { withFileTypes: true, recursive: true })) {
    if (!entry.isFile() || !/\.(?:ldb|log|sst)$|MANIFEST/.test(entry.name)) continue;
    const whole = join(entry.parentPath, entry.name);
    const { size } = await stat(whole);
    if (size > 0) files.push({ name: entry.name, path: whole, size });
  }
  const flipped: string[] = [];
  for (let i = 0; i < count && files.length > 0; i++) {
    const file = files[randomBelow(random, files.length)];
    if (file === undefined) continue;
    const at = randomBelow(random, file.size);
    await flipBit(file.path, at, randomBelow(random, 8));
    flipped.push(`${file.name}:${at}`);
  }
  return flipped;
}

async function flipBit(path: string, at: number, bit: number): Promise<void> {
  const file = await open(path, "r+");
  try {
    const { buffer } = await file.read(Buffer.alloc(1), 0, 1, at);
    buffer.writeUInt8(buffer.readUInt8(0) ^ (1 << bit), 0);
    await file.write(buffer, 0, 1, at);
    await file.sync();
  } finally {
    await file.close();
  }
}
