/**
 * The files of a directory as keys and values. All or nothing: whatever cannot be a key or a value is named, and then no
 * file is given. Names are read as bytes, for a name that is not UTF-8 would otherwise come as another one.
 */
import { constants, type Dirent } from "node:fs";
import { open, readdir } from "node:fs/promises";
import { LIMITS } from "@hearsay/api";
import { AgentError, reasonOf } from "../fault.ts";

export interface DirectoryOptions {
  readonly prefix: string;
  /** Names of files and directories that are left out, at any depth. */
  readonly exclude: readonly string[];
  readonly maxValueBytes: number;
}

/** Keys and values, in the order of the keys' UTF-8 bytes. */
export type KeyedFiles = ReadonlyMap<string, Uint8Array>;

/** More files, or bytes, than that are no configuration. */
const MAX_FILES = 100_000;
const MAX_BYTES = 512 * 1024 * 1024;
const FAULTS_SHOWN = 20;
const READ_TOGETHER = 32;

interface Found {
  readonly key: string;
  readonly path: Buffer;
}

/** @throws AgentError `directory_invalid` with what is wrong */
export async function readDirectory(directory: string, options: DirectoryOptions): Promise<KeyedFiles> {
  const faults: string[] = [];
  const found: Found[] = [];
  const refuse = (): AgentError => {
    const more = faults.length - FAULTS_SHOWN;
    const shown = more > 0 ? [...faults.slice(0, FAULTS_SHOWN), `and ${more} more`] : faults;
    return new AgentError({ code: "directory_invalid", path: directory, faults: shown });
  };
  try {
    await walk(Buffer.from(directory), "", options, found, faults);
  } catch (error) {
    faults.push(reasonOf(error));
  }
  if (faults.length > 0) throw refuse();
  found.sort((a, b) => Buffer.compare(Buffer.from(a.key), Buffer.from(b.key)));
  const files = new Map<string, Uint8Array>();
  let bytes = 0;
  for (let at = 0; at < found.length; at += READ_TOGETHER) {
    const some = found.slice(at, at + READ_TOGETHER);
    const values = await Promise.all(some.map(({ path }) => readValue(path, options.maxValueBytes)));
    for (const [i, { key, path }] of some.entries()) {
      const value = values[i] ?? "it was not read";
      if (typeof value === "string") faults.push(`${shown(path)}: ${value}`);
      else {
        files.set(key, value);
        bytes += value.length;
      }
    }
    if (bytes > MAX_BYTES) {
      faults.push(`the files together have more than ${MAX_BYTES} bytes`);
      break;
    }
  }
  if (faults.length > 0) throw refuse();
  return files;
}

async function walk(
  directory: Buffer,
  below: string,
  options: DirectoryOptions,
  found: Found[],
  faults: string[],
): Promise<void> {
  const entries = await readdir(directory, { withFileTypes: true, encoding: "buffer" });
  for (const entry of entries) {
    const path = Buffer.concat([directory, SLASH, entry.name]);
    const name = nameOf(entry.name);
    if (name === undefined) {
      faults.push(`${shown(path)}: its name is not UTF-8, or has control characters`);
      continue;
    }
    if (options.exclude.includes(name)) continue;
    if (entry.isDirectory()) {
      await walk(path, `${below}${name}/`, options, found, faults);
      continue;
    }
    const key = `${options.prefix}${below}${name}`;
    const fault = faultOf(entry, key);
    if (fault !== undefined) faults.push(`${shown(path)}: ${fault}`);
    else found.push({ key, path });
    if (found.length > MAX_FILES) throw new RangeError(`there are more than ${MAX_FILES} files`);
  }
}

const SLASH = Buffer.from("/");
const strictUtf8 = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

function nameOf(bytes: Buffer): string | undefined {
  try {
    const name = strictUtf8.decode(bytes);
    return /\p{Cc}/u.test(name) ? undefined : name;
  } catch {
    return undefined;
  }
}

/** A path for a message, whatever bytes it has. */
function shown(path: Buffer): string {
  return JSON.stringify(path.toString("utf8")).slice(1, -1);
}

function faultOf(entry: Dirent<Buffer>, key: string): string | undefined {
  if (entry.isSymbolicLink())
    return "it is a symbolic link; put the file there, or leave it out with --exclude";
  if (!entry.isFile()) return "it is no regular file";
  const bytes = Buffer.byteLength(key);
  if (bytes > LIMITS.keyMaxBytes)
    return `its key would have ${bytes} bytes, ${LIMITS.keyMaxBytes} is the most`;
  return undefined;
}

/** The bytes, or what is wrong. Does not follow a link that came in the file's place meanwhile. */
async function readValue(path: Buffer, maxBytes: number): Promise<Uint8Array | string> {
  try {
    const handle = await open(path, constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK);
    try {
      const { size } = await handle.stat();
      if (size > maxBytes) return `it has ${size} bytes, ${maxBytes} is the most`;
      const bytes = await handle.readFile();
      return bytes.length > maxBytes ? `it has more than ${maxBytes} bytes` : bytes;
    } finally {
      await handle.close();
    }
  } catch (error) {
    return reasonOf(error);
  }
}
