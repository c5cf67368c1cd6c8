import { errorCodes, errorDetail, isShortage, StoreError } from "./faults.ts";
import { compareBytes, type KeyRange, successor } from "./keyspace.ts";
import type { Database, DatabaseFactory, DatabaseIterator, StoreLimits } from "./ports.ts";

export type Entry = readonly [key: Uint8Array, value: Uint8Array];

export interface EntryChunk {
  readonly entries: readonly Entry[];
  /** Nothing follows in the range. */
  readonly exhausted: boolean;
}

/** Of one chunk, while keys are added to its range or a read in it fails for a moment. */
const READ_ATTEMPTS = 10;

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
   *
   * LevelDB passes over a table that it cannot open, and an iterator says so only when it has come to its end. So a chunk that
   * ends before the range does is compared with an iterator that ends with it.
   * @throws StoreError `store_unavailable`, `read_failed`
   */
  async read(range: KeyRange, maxEntries: number = this.#limits.scanChunkEntries): Promise<EntryChunk> {
    const size = Math.min(maxEntries, this.#limits.scanChunkEntries);
    for (let attempts = 0; attempts < READ_ATTEMPTS; attempts++) {
      // Fewer at a time, so that others who write into the range without a pause do not make every attempt futile.
      const chunk = await this.#readOnce(range, Math.max(1, size >> attempts));
      const last = chunk.entries.at(-1);
      if (chunk.exhausted || last === undefined) return chunk;
      const keys = { gte: range.gte, lt: successor(last[0]), values: false };
      const found = await this.#take(keys, chunk.entries.length + 1);
      // More than before: a new key, or what could not be read then and can be now.
      if (found.length <= chunk.entries.length) return chunk;
    }
    throw new StoreError({ code: "store_unavailable" });
  }

  /** All of a range, read chunk by chunk: what changes meanwhile behind the chunk in hand is seen, no more is in memory. */
  async *entries(all: KeyRange): AsyncGenerator<Entry> {
    let range = all;
    for (;;) {
      const { entries, exhausted } = await this.read(range);
      yield* entries;
      const last = entries.at(-1);
      if (exhausted || last === undefined) return;
      range = { ...range, gte: successor(last[0]) };
    }
  }

  async #take(range: KeyRange, size: number): Promise<readonly Entry[]> {
    const iterator = this.iterate(range);
    try {
      return await this.nextEntries(iterator, range, size, undefined);
    } finally {
      await iterator.close();
    }
  }

  async #readOnce(range: KeyRange, size: number): Promise<EntryChunk> {
    const entries = await this.#take(range, size);
    let bytes = 0;
    for (const [at, [key, value]] of entries.entries()) {
      bytes += key.length + value.length;
      if (bytes >= this.#limits.scanChunkBytes)
        return { entries: entries.slice(0, at + 1), exhausted: false };
    }
    return { entries, exhausted: entries.length < size };
  }

  /**
   * An iterator over a range, which the caller closes.
   * @throws StoreError `store_unavailable`, `read_failed`
   */
  iterate(range: KeyRange): DatabaseIterator {
    const { current } = this;
    const highWaterMarkBytes = this.#limits.scanChunkBytes;
    // A value that was not asked for comes empty, and an empty text costs less than an empty buffer.
    const options = range.values === false ? { ...range, valueEncoding: "utf8" as const } : range;
    try {
      return current.iterator({ ...options, highWaterMarkBytes });
    } catch (error) {
      throw this.#readError(error);
    }
  }

  /**
   * The next entries of an iterator, at most `size` and about `scanChunkBytes`; none at the end of its range.
   * @param previous the key handed out before them
   * @throws StoreError `store_unavailable`, `read_failed`
   */
  async nextEntries(
    iterator: DatabaseIterator,
    range: KeyRange,
    size: number,
    previous: Uint8Array | undefined,
  ): Promise<readonly Entry[]> {
    let entries: readonly Entry[];
    try {
      entries = await iterator.nextv(size);
    } catch (error) {
      throw this.#readError(error);
    }
    let before = previous;
    for (const [key] of entries) {
      // LevelDB does not notice by reading, but aborts the process when it comes to compact such a table.
      if (before !== undefined && compareBytes(before, key) >= 0) throw this.#unordered();
      before = key;
    }
    // What was not asked for is undefined, whatever the type says.
    return range.values === false ? entries.map(([key]) => [key, NO_VALUE]) : entries;
  }

  #unordered(): StoreError {
    const detail = "keys are out of order";
    this.onReadFailed(detail);
    return new StoreError({ code: "read_failed", detail });
  }

  #readError(error: unknown): StoreError {
    const codes = errorCodes(error);
    if (codes.some((code) => code.endsWith("_NOT_OPEN")) || isShortage(error)) {
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
