import { compareKeys, type KeyRecord, type Sibling } from "@hearsay/core";
import type { RecordStore, ScanChunk, ScanRange } from "./ports.ts";

export interface Batch {
  readonly records: Map<string, KeyRecord>;
  readonly meta: Map<string, Uint8Array>;
}

interface Pending extends Batch {
  /** Those that are put again are not among them. */
  readonly removed: Set<string>;
}

/** A record store in memory, for tests: commits what was put in one turn at its end, or fails it as a whole when told so. */
export class MemoryStore implements RecordStore {
  readonly committed: Batch = { records: new Map(), meta: new Map() };
  readonly batches: Batch[] = [];
  failNext = false;
  /** Fails every batch. */
  isFull = false;
  #pending: Pending | undefined;
  #settled: Promise<void> = Promise.resolve();

  readonly meta = {
    get: (name: string): Uint8Array | undefined => this.committed.meta.get(name),
    put: (name: string, value: Uint8Array): Promise<void> => {
      const { batch, settled } = this.#join();
      batch.meta.set(name, value);
      return settled;
    },
  };

  get(key: string): KeyRecord | undefined {
    return this.committed.records.get(key);
  }

  peek(key: string): KeyRecord | undefined {
    return this.get(key);
  }

  latest(key: string): KeyRecord | undefined {
    const put = this.#pending?.records.get(key);
    return put === undefined && this.#pending?.removed.has(key) ? undefined : (put ?? this.get(key));
  }

  put(key: string, record: KeyRecord): Promise<void> {
    const { batch, settled } = this.#join();
    batch.records.set(key, record);
    batch.removed.delete(key);
    return settled;
  }

  settled(key: string): Promise<void> {
    return this.#pending?.records.has(key) === true ? this.#settled : Promise.resolve();
  }

  remove(key: string): Promise<void> {
    const { batch, settled } = this.#join();
    batch.records.delete(key);
    batch.removed.add(key);
    return settled;
  }

  async scan(range: ScanRange): Promise<ScanChunk> {
    const entries = [...this.committed.records]
      .filter(([key]) => key.startsWith(range.prefix) && compareKeys(key, range.after ?? "") > 0)
      .sort(([a], [b]) => compareKeys(a, b))
      .map(([key, record]) => ({ key, record }));
    const chunk = entries.slice(0, range.limit);
    const next = chunk.length < entries.length ? chunk.at(-1)?.key : undefined;
    return { entries: chunk, next, damaged: [] };
  }

  history(key: string): Sibling[] {
    return [...(this.get(key)?.siblings ?? [])];
  }

  #join(): { batch: Pending; settled: Promise<void> } {
    if (this.#pending === undefined) {
      this.#pending = { records: new Map(), meta: new Map(), removed: new Set() };
      this.#settled = Promise.resolve().then(() => this.#commit());
    }
    return { batch: this.#pending, settled: this.#settled };
  }

  #commit(): void {
    const batch = this.#pending;
    this.#pending = undefined;
    if (batch === undefined) return;
    if (this.failNext || this.isFull) {
      this.failNext = false;
      throw new Error("disk full");
    }
    this.batches.push(batch);
    for (const key of batch.removed) this.committed.records.delete(key);
    for (const [key, record] of batch.records) this.committed.records.set(key, record);
    for (const [name, value] of batch.meta) this.committed.meta.set(name, value);
  }
}
