/**
 * What a data directory holds besides the database: the side file with the newest commit sequence, uploads being
 * restored, and copies of databases that had to be salvaged.
 */
import {
  type BigIntStats,
  closeSync,
  constants,
  copyFileSync,
  existsSync,
  fstatSync,
  fsyncSync,
  openSync,
  readdirSync,
  readFileSync,
  readSync,
  renameSync,
  rmSync,
  statfsSync,
  statSync,
  writeSync,
} from "node:fs";
import { statfs } from "node:fs/promises";
import { join } from "node:path";
import { type Environment, type SequenceFile, type StampRenewal, StoreError } from "@hearsay/store";
import { createDirectory } from "./create-directory.ts";
import { syncPath } from "./sync-path.ts";

const SEQUENCE = "sequence";
const RENEWED = "sequence-renewed";
const SEQUENCE_BYTES = 8;
const BOOT_ID = "/proc/sys/kernel/random/boot_id";

export class DataDirectory {
  readonly path: string;
  #sequenceFd: number;
  /** Of the file that is to take the place of the other. */
  #renewedFd: number | undefined;
  #isOpen = true;

  private constructor(path: string, sequenceFd: number) {
    this.path = path;
    this.#sequenceFd = sequenceFd;
  }

  /** Creates what is missing. @throws the file system's error */
  static open(path: string): DataDirectory {
    createDirectory(path);
    return new DataDirectory(path, openSync(join(path, SEQUENCE), OPEN_OR_CREATE, 0o600));
  }

  /**
   * Makes a closed directory look copied, by an equal file in the place of the one that the stamp is of. The next opening
   * is in doubt, so its node comes back as a new incarnation.
   */
  static renewStamp(path: string): void {
    const renewed = join(path, RENEWED);
    copyFileSync(join(path, SEQUENCE), renewed);
    renameSync(renewed, join(path, SEQUENCE));
  }

  get database(): string {
    return join(this.path, "db");
  }

  /** A file that is there while the database is being opened: where it is found, a process has ended meanwhile. */
  get opening(): string {
    return join(this.path, "opening");
  }

  /** Uploads on their way. */
  get spool(): string {
    return join(this.path, "spool");
  }

  /**
   * Removes what an earlier run has left of its uploads. Only once the database has been locked: until then that run may go on.
   * @returns whether it has left any
   */
  clearSpool(): boolean {
    const isLeft = existsSync(this.spool);
    rmSync(this.spool, { recursive: true, force: true });
    return isLeft;
  }

  /** Written for each batch before it is acknowledged; not synced, as it only has to outlive the process. */
  sequenceFile(): SequenceFile {
    const buffer = Buffer.alloc(SEQUENCE_BYTES);
    return {
      read: () => {
        const length = readSync(this.#sequenceFd, buffer, 0, SEQUENCE_BYTES, 0);
        if (length === 0) return this.#hasLostItsDatabase() ? Number.NaN : 0;
        return length === SEQUENCE_BYTES ? buffer.readDoubleBE() : Number.NaN;
      },
      write: (sequence) => {
        buffer.writeDoubleBE(sequence);
        writeSync(this.#sequenceFd, buffer, 0, SEQUENCE_BYTES, 0);
      },
    };
  }

  /** LevelDB makes no table and no log before `CURRENT`, and where that is gone deletes them for a new database. */
  #hasLostItsDatabase(): boolean {
    const names = existsSync(this.database) ? readdirSync(this.database) : [];
    return !names.includes("CURRENT") && names.some((name) => /\.(?:ldb|sst|log)$/.test(name));
  }

  /** A copied or restored directory has another inode or birth time for the very file that counts commits. */
  environment(): Environment {
    return { bootId: bootId(), directoryStamp: stampOf(fstatSync(this.#sequenceFd, { bigint: true })) };
  }

  /**
   * Makes ready an equal file, which is to be the stamp of this run alone. Only with the database locked.
   * @throws StoreError `store_locked`; the file system's error
   */
  renewStamp(): StampRenewal {
    const current = join(this.path, SEQUENCE);
    const renewed = join(this.path, RENEWED);
    if (stampOf(statSync(current, { bigint: true })) !== this.environment().directoryStamp) {
      throw new StoreError({ code: "store_locked", detail: "another process has used it meanwhile" });
    }
    const bytes = Buffer.alloc(SEQUENCE_BYTES);
    const length = readSync(this.#sequenceFd, bytes, 0, SEQUENCE_BYTES, 0);
    const fd = openSync(renewed, "w+", 0o600);
    this.#renewedFd = fd;
    writeSync(fd, bytes, 0, length, 0);
    // An empty file would say that there never was a commit.
    fsyncSync(fd);
    return {
      directoryStamp: stampOf(fstatSync(fd, { bigint: true })),
      apply: () => {
        renameSync(renewed, current);
        syncPath(this.path);
        closeSync(this.#sequenceFd);
        this.#sequenceFd = fd;
        this.#renewedFd = undefined;
      },
    };
  }

  async hasRoom(bytes: number): Promise<boolean> {
    const { bavail, bsize } = await statfs(this.path);
    return bavail * bsize > bytes;
  }

  freeBytes(): number {
    const { bavail, bsize } = statfsSync(this.path);
    return bavail * bsize;
  }

  /** Idempotent. */
  close(): void {
    if (this.#isOpen) closeSync(this.#sequenceFd);
    if (this.#renewedFd !== undefined) closeSync(this.#renewedFd);
    this.#isOpen = false;
    this.#renewedFd = undefined;
  }
}

const OPEN_OR_CREATE = constants.O_RDWR | constants.O_CREAT;

function stampOf({ dev, ino, birthtimeNs }: BigIntStats): string {
  return `${dev}:${ino}:${birthtimeNs}`;
}

/** Empty where the platform has none: an unclean stop then counts as one of the same boot. */
function bootId(): string {
  try {
    return readFileSync(BOOT_ID, "utf8").trim();
  } catch {
    return "";
  }
}
