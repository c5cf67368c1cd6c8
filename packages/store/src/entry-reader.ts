import type { DatabaseHandle, Entry } from "./database-handle.ts";
import { type KeyRange, successor } from "./keyspace.ts";
import type { DatabaseIterator } from "./ports.ts";

/** Entries in a chunk at most: what they take is bounded by the limit of bytes in a chunk. */
const CHUNK_ENTRIES = 1024;

/**
 * Reads a range from one end to the other through one iterator, for as long as nobody writes: to open one, find its place
 * and close it takes as long as reading a hundred entries.
 *
 * Only where nothing else uses the store, and {@link EntryReader.release} comes before each write: LevelDB can answer
 * older values where an iterator stays open across writes.
 */
export class EntryReader {
  readonly #handle: DatabaseHandle;
  #range: KeyRange;
  #iterator: DatabaseIterator | undefined;
  #last: Uint8Array | undefined;
  /** The chunk after the one handed out last. */
  #ahead: Promise<readonly Entry[]> | undefined;

  constructor(handle: DatabaseHandle, range: KeyRange) {
    this.#handle = handle;
    this.#range = range;
  }

  /**
   * The next entries; none at the end. The ones after them are being read when it settles.
   * @throws StoreError `store_unavailable`, `read_failed`
   */
  async next(): Promise<readonly Entry[]> {
    const entries = await (this.#ahead ?? this.#read());
    this.#ahead = undefined;
    const last = entries.at(-1);
    if (last === undefined) return entries;
    this.#last = last[0];
    this.#ahead = this.#read();
    // Whoever stops early must not leave a rejection behind.
    this.#ahead.catch(() => undefined);
    return entries;
  }

  /** Lets go of the iterator; {@link EntryReader.next} goes on behind the last entry it handed out. */
  async release(): Promise<void> {
    const iterator = this.#iterator;
    if (this.#last !== undefined) this.#range = { ...this.#range, gte: successor(this.#last) };
    this.#iterator = undefined;
    this.#ahead = undefined;
    // Waits for what it is reading.
    await iterator?.close();
  }

  async #read(): Promise<readonly Entry[]> {
    this.#iterator ??= this.#handle.iterate(this.#range);
    return await this.#handle.nextEntries(this.#iterator, this.#range, CHUNK_ENTRIES, this.#last);
  }
}
