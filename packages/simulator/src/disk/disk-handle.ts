/** The database as one run of a process has it open. What that run still had under way when it ended never settles. */
import type { Database, DatabaseBatch, DatabaseIterator, DatabaseRange } from "@hearsay/store";
import type { VirtualDisk } from "./virtual-disk.ts";

/** A value to put; undefined: to delete the key. */
export interface Operation {
  readonly key: Uint8Array;
  readonly value: Uint8Array | undefined;
}

export interface UnderWay {
  readonly operations: readonly Operation[];
  readonly sync: boolean;
}

export class DiskHandle implements Database {
  readonly #disk: VirtualDisk;
  readonly #run: (callback: () => void) => void;
  readonly #underWay: Set<UnderWay> = new Set();
  #isOpen = false;
  #isDetached = false;

  constructor(disk: VirtualDisk, run: (callback: () => void) => void) {
    this.#disk = disk;
    this.#run = run;
  }

  /** From now on nothing of this run reaches the disk. Returns the batches that were on their way, oldest first. */
  detach(): readonly UnderWay[] {
    this.#isDetached = true;
    this.#isOpen = false;
    return [...this.#underWay];
  }

  async open(): Promise<void> {
    await this.#disk.open();
    await this.#disk.replay();
    if (!this.#isDetached) this.#isOpen = true;
  }

  close(): Promise<void> {
    this.#isOpen = false;
    return Promise.resolve();
  }

  getSync(key: Uint8Array): Uint8Array | undefined {
    this.#check();
    return this.#disk.database.getSync(key);
  }

  iterator(range: DatabaseRange): DatabaseIterator {
    this.#check();
    return this.#disk.database.iterator(range);
  }

  batch(): DatabaseBatch {
    this.#check();
    const operations: Operation[] = [];
    return {
      put: (key: Uint8Array, value: Uint8Array) => operations.push({ key, value }),
      del: (key: Uint8Array) => operations.push({ key, value: undefined }),
      write: ({ sync }) => this.#write({ operations, sync }),
    };
  }

  async #write(underWay: UnderWay): Promise<void> {
    this.#underWay.add(underWay);
    await new Promise<void>((resolve) => {
      this.#disk.after(() => this.#run(resolve));
    });
    // A process that has ended hears nothing more.
    if (this.#isDetached) return await new Promise<never>(() => undefined);
    this.#underWay.delete(underWay);
    if (this.#disk.isFull) {
      this.#disk.refused += 1;
      if (this.#disk.keepsRefused) this.#disk.keepUnseen(underWay.operations);
      throw new Error(`IO error: ${this.#disk.refusal}`);
    }
    await this.#disk.apply(underWay.operations, underWay.sync);
  }

  #check(): void {
    if (!this.#isOpen) {
      throw Object.assign(new Error("Database is not open"), { code: "LEVEL_DATABASE_NOT_OPEN" });
    }
  }
}
