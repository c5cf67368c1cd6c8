import { StoreError } from "./faults.ts";
import type { KeyRange } from "./keyspace.ts";
import type { Database, DatabaseFactory, StoreLimits } from "./ports.ts";

export type Entry = readonly [key: Uint8Array, value: Uint8Array];

export interface EntryChunk {
  readonly entries: readonly Entry[];
  /** Nothing follows in the range. */
  readonly exhausted: boolean;
}

/** The open database, or none while it is being reopened. */
export class DatabaseHandle {
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

  get(key: Uint8Array): Uint8Array | undefined {
    return this.current.getSync(key);
  }

  /** One bounded chunk of a range. The iterator does not outlive the call. */
  async read(range: KeyRange, maxEntries: number = this.#limits.scanChunkEntries): Promise<EntryChunk> {
    const { scanChunkBytes } = this.#limits;
    const size = Math.min(maxEntries, this.#limits.scanChunkEntries);
    const iterator = this.current.iterator({ ...range, highWaterMarkBytes: scanChunkBytes });
    let entries: Entry[];
    try {
      entries = await iterator.nextv(size);
    } finally {
      await iterator.close();
    }
    let bytes = 0;
    for (const [at, [key, value]] of entries.entries()) {
      bytes += key.length + value.length;
      if (bytes >= scanChunkBytes) return { entries: entries.slice(0, at + 1), exhausted: false };
    }
    return { entries, exhausted: entries.length < size };
  }
}
