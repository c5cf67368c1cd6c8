/**
 * What a data directory holds besides the database: the side file with the newest commit sequence, uploads being
 * restored, and copies of databases that had to be salvaged.
 */
import {
  closeSync,
  constants,
  copyFileSync,
  existsSync,
  fstatSync,
  openSync,
  readFileSync,
  readSync,
  renameSync,
  rmSync,
  statfsSync,
  writeSync,
} from "node:fs";
import { statfs } from "node:fs/promises";
import { join } from "node:path";
import type { Environment, SequenceFile } from "@hearsay/store";
import { createDirectory } from "./create-directory.ts";

const SEQUENCE_BYTES = 8;
const BOOT_ID = "/proc/sys/kernel/random/boot_id";

export class DataDirectory {
  readonly path: string;
  readonly #sequenceFd: number;
  #isOpen = true;

  private constructor(path: string, sequenceFd: number) {
    this.path = path;
    this.#sequenceFd = sequenceFd;
  }

  /** Creates what is missing. @throws the file system's error */
  static open(path: string): DataDirectory {
    createDirectory(path);
    return new DataDirectory(path, openSync(join(path, "sequence"), OPEN_OR_CREATE, 0o600));
  }

  /**
   * Makes a closed directory look copied, by an equal file in the place of the one that the stamp is of. The next opening
   * is in doubt, so its node comes back as a new incarnation.
   */
  static renewStamp(path: string): void {
    const current = join(path, "sequence");
    const renewed = join(path, "sequence-renewed");
    copyFileSync(current, renewed);
    renameSync(renewed, current);
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
        if (length === 0) return 0;
        return length === SEQUENCE_BYTES ? buffer.readDoubleBE() : Number.NaN;
      },
      write: (sequence) => {
        buffer.writeDoubleBE(sequence);
        writeSync(this.#sequenceFd, buffer, 0, SEQUENCE_BYTES, 0);
      },
    };
  }

  /** A copied or restored directory has another inode or birth time for the very file that counts commits. */
  environment(): Environment {
    const { dev, ino, birthtimeNs } = fstatSync(this.#sequenceFd, { bigint: true });
    return { bootId: bootId(), directoryStamp: `${dev}:${ino}:${birthtimeNs}` };
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
    this.#isOpen = false;
  }
}

const OPEN_OR_CREATE = constants.O_RDWR | constants.O_CREAT;

/** Empty where the platform has none: an unclean stop then counts as one of the same boot. */
function bootId(): string {
  try {
    return readFileSync(BOOT_ID, "utf8").trim();
  } catch {
    return "";
  }
}
