import { errorCodes, errorDetail, StoreError } from "./faults.ts";
import { compareBytes, type KeyRange } from "./keyspace.ts";
import type { Database, DatabaseFactory, StoreLimits } from "./ports.ts";

export type Entry = readonly [key: Uint8Array, value: Uint8Array];

export interface EntryChunk {
  readonly entries: readonly Entry[];
  /** Nothing follows in the range. */
  readonly exhausted: boolean;
}

const NO_VALUE = new Uint8Array(0);

/** The open database, or none while it is being reopened. */
export class DatabaseHandle {
  /** Told when the database cannot read its own files. */
  onReadFailed: (detail: string) => void = () => undefined;
  readonly #factory: DatabaseFactory;
  readonly #limits: StoreLimits;
  #database: Database | undefined;

  constructor(factory: DatabaseFactory, limits: StoreLimits) {
    this.#factory = factory;
    this.#limits = limits;
  }

  /** @throws the database's own error */
  async open(options: { readonly createIfMissing: boolean }): Promise<void> {
    const database = this.#factory({
      cacheBytes: this.#limits.blockCacheBytes,
      writeBufferBytes: this.#limits.writeBufferBytes,
    });
    await database.open(options);
    this.#database = database;
  }

  async close(): Promise<void> {
    const database = this.#database;
    this.#database = undefined;
    await database?.close();
  }

  /** @throws StoreError `store_unavailable` */
  get current(): Database {
    if (this.#database === undefined) throw new StoreError({ code: "store_unavailable" });
    return this.#database;
  }

  /**
   * The value of a key. Where LevelDB finds the entry itself corrupt, the answer is empty: something is there,
   * and it passes no checksum.
   * @throws StoreError `store_unavailable`, `read_failed`
   */
  get(key: Uint8Array): Uint8Array | undefined {
    const { current } = this;
    try {
      return current.getSync(key);
    } catch (error) {
      if (isCorruptEntry(error)) return new Uint8Array(0);
      throw this.#readError(error);
    }
  }

  /**
   * One bounded chunk of a range. The iterator does not outlive the call.
   * @throws StoreError `store_unavailable`, `read_failed`
   */
  async read(range: KeyRange, maxEntries: number = this.#limits.scanChunkEntries): Promise<EntryChunk> {
    const size = Math.min(maxEntries, this.#limits.scanChunkEntries);
    const entries = await this.#readEntries(range, size);
    let bytes = 0;
    let previous: Uint8Array | undefined;
    for (const [at, [key, value]] of entries.entries()) {
      // LevelDB does not notice by reading, but aborts the process when it comes to compact such a table.
      if (previous !== undefined && compareBytes(previous, key) >= 0) throw this.#unordered();
      previous = key;
      bytes += key.length + value.length;
      if (bytes >= this.#limits.scanChunkBytes)
        return { entries: entries.slice(0, at + 1), exhausted: false };
    }
    return { entries, exhausted: entries.length < size };
  }

  async #readEntries(range: KeyRange, size: number): Promise<Entry[]> {
    const { current } = this;
    try {
      const iterator = current.iterator({ ...range, highWaterMarkBytes: this.#limits.scanChunkBytes });
      try {
        const entries: Entry[] = await iterator.nextv(size);
        // What was not asked for is undefined, whatever the type says.
        return range.values === false ? entries.map(([key]) => [key, NO_VALUE]) : entries;
      } finally {
        await iterator.close();
      }
    } catch (error) {
      throw this.#readError(error);
    }
  }

  #unordered(): StoreError {
    const detail = "keys are out of order";
    this.onReadFailed(detail);
    return new StoreError({ code: "read_failed", detail });
  }

  #readError(error: unknown): StoreError {
    const codes = errorCodes(error);
    if (codes.some((code) => code.endsWith("_NOT_OPEN"))) {
      return new StoreError({ code: "store_unavailable" }, { cause: error });
    }
    const detail = errorDetail(error);
    this.onReadFailed(detail);
    return new StoreError({ code: "read_failed", detail }, { cause: error });
  }
}

/** One entry is damaged, as opposed to a table or the disk. */
function isCorruptEntry(error: unknown): boolean {
  return /Corruption: corrupted key/i.test(errorDetail(error));
}
