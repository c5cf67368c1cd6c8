/**
 * Puts new content in the place of a file, in two steps: it is staged beside the file, whole, on disk and with its owner
 * and mode; then it is renamed over it. Between the two the check command looks at it.
 *
 * What an agent left behind that was killed in between is removed by the next one that writes there.
 */
import { copyFile, link, readFile, readlink, realpath, rename, rm, stat } from "node:fs/promises";
import { basename, dirname, join, resolve } from "node:path";
import { AgentError, reasonOf } from "../fault.ts";
import { asideOf, createSynced, isNotFound, removeLeftovers, renameSynced } from "./durable-write.ts";

export interface Ownership {
  readonly uid: number;
  readonly gid: number;
}

export interface CurrentFile extends Ownership {
  readonly bytes: Uint8Array;
  /** Permission bits. */
  readonly mode: number;
}

export interface Wanted {
  readonly bytes: Uint8Array;
  /** Permission bits; undefined: those of the file there is, else 0644. */
  readonly mode: number | undefined;
  /** Undefined: that of the file there is, else the agent's. */
  readonly owner: Ownership | undefined;
}

export interface FilePlace {
  /** As it was asked for. */
  readonly path: string;
  /** Where the bytes are: a symbolic link stays and what it points to is replaced. */
  readonly realPath: string;
  readonly current: CurrentFile | undefined;
}

const PERMISSIONS = 0o7777;
const DEFAULT_MODE = 0o644;

/** @throws AgentError `file_unusable` when it is no regular file, or its directory is not there */
export async function lookAt(path: string): Promise<FilePlace> {
  try {
    const realPath = await endOf(path);
    const found = await stat(realPath).catch((error: unknown) => {
      if (isNotFound(error)) return undefined;
      throw error;
    });
    if (found === undefined) return { path, realPath, current: undefined };
    if (!found.isFile())
      throw new AgentError({ code: "file_unusable", path, reason: "it is no regular file" });
    const bytes = await readFile(realPath);
    return {
      path,
      realPath,
      current: { bytes, mode: found.mode & PERMISSIONS, uid: found.uid, gid: found.gid },
    };
  } catch (error) {
    throw unusable(path, error);
  }
}

/** Where a path leads over symbolic links, also when nothing is there yet. */
async function endOf(path: string): Promise<string> {
  const found = await realpath(path).catch((error: unknown) => {
    if (!isNotFound(error)) throw error;
  });
  if (found !== undefined) return found;
  const directory = await realpath(dirname(path));
  const place = join(directory, basename(path));
  const target = await readlink(place).catch(() => undefined);
  return target === undefined ? place : await endOf(resolve(directory, target));
}

/** Whether the file already has the content, mode and owner. */
export function isAsWanted({ current }: FilePlace, wanted: Wanted): boolean {
  if (current === undefined || Buffer.compare(current.bytes, wanted.bytes) !== 0) return false;
  const { mode = current.mode, owner = current } = wanted;
  return current.mode === mode && current.uid === owner.uid && current.gid === owner.gid;
}

export class StagedFile {
  readonly path: string;
  readonly #place: FilePlace;

  private constructor(place: FilePlace) {
    this.#place = place;
    this.path = asideOf(place.realPath);
  }

  /** @throws AgentError `file_unusable`; then nothing is left behind */
  static async create(place: FilePlace, wanted: Wanted): Promise<StagedFile> {
    const { current } = place;
    const staged = new StagedFile(place);
    try {
      await removeLeftovers(dirname(staged.path));
      await createSynced(staged.path, wanted.bytes, async (handle) => {
        const owner = wanted.owner ?? current;
        const own = await handle.stat();
        if (owner !== undefined && (owner.uid !== own.uid || owner.gid !== own.gid)) {
          await handle.chown(owner.uid, owner.gid);
        }
        await handle.chmod(wanted.mode ?? current?.mode ?? DEFAULT_MODE);
      });
    } catch (error) {
      throw unusable(place.path, error);
    }
    return staged;
  }

  /** Whether it still has the bytes it was made with. */
  async has(bytes: Uint8Array): Promise<boolean> {
    const found = await readFile(this.path).catch(() => undefined);
    return found !== undefined && Buffer.compare(found, bytes) === 0;
  }

  /** @param backup keep the file before as PATH.bak */
  async install(backup: boolean): Promise<void> {
    const { path, realPath, current } = this.#place;
    try {
      if (backup && current !== undefined) await keepAs(realPath, `${realPath}.bak`);
      await renameSynced(this.path, realPath);
    } catch (error) {
      await this.discard();
      throw unusable(path, error);
    }
  }

  async discard(): Promise<void> {
    await rm(this.path, { force: true });
  }
}

/** A second name for the same bytes, where the file system has such, replaced in one step. */
async function keepAs(path: string, backup: string): Promise<void> {
  const aside = asideOf(backup);
  await link(path, aside).catch(() => copyFile(path, aside));
  await rename(aside, backup);
}

function unusable(path: string, error: unknown): AgentError {
  if (error instanceof AgentError) return error;
  return new AgentError({ code: "file_unusable", path, reason: reasonOf(error) }, { cause: error });
}
