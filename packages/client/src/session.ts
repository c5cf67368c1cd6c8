/**
 * Reads that see one's own writes, and never go back behind what was read before, whichever node answers
 * (Terry et al., "Session Guarantees for Weakly Consistent Replicated Data", 1994: read your writes, monotonic reads).
 *
 * A session remembers the newest version it has written or read of each key, and reads carry it in `Hearsay-After`: a
 * node that lacks it fetches it from a peer first. Versions of a key sort as texts. Reads of many keys carry, of each node
 * that took writes of this session, the newest: the node that answers then holds all that those nodes wrote up to it. So
 * listings and batches show one's own writes; of what was only read, they may show less on another node.
 *
 * Bounds: `maxKeys` keys, the ones used last; a key that was forgotten is read as without a session. For reads of many keys
 * `LIMITS.afterMaxVersions` nodes, those that took writes last.
 */
import {
  type BatchResult,
  type ConflictPage,
  type HistoryList,
  LIMITS,
  type ListItem,
  type ListPage,
  type SiblingList,
  type WriteResult,
} from "@hearsay/api";
import type { ReadResult } from "./answers.ts";
import type { Operation } from "./batch.ts";
import type { BatchOptions, DeleteOptions, ListOptions, PutOptions, ReadOptions } from "./options.ts";

/** What a session needs of a client. */
export interface SessionCalls {
  get(key: string, options: ReadOptions): Promise<ReadResult>;
  put(
    key: string,
    value: Uint8Array | string,
    options: PutOptions,
  ): Promise<WriteResult & { readonly created: boolean }>;
  delete(key: string, options: DeleteOptions): Promise<WriteResult>;
  siblings(key: string, options: ReadOptions): Promise<SiblingList>;
  history(key: string, options: ReadOptions): Promise<HistoryList>;
  batch(operations: readonly Operation[], options: BatchOptions): Promise<BatchResult["results"]>;
  list(options: ListOptions): AsyncGenerator<ListItem>;
  pages(options: ListOptions): AsyncGenerator<ListPage>;
  conflicts(options: Omit<ListOptions, "keysOnly">): AsyncGenerator<ConflictPage>;
}

const DEFAULT_MAX_KEYS = 10_000;

export class Session {
  readonly #calls: SessionCalls;
  readonly #maxKeys: number;
  readonly #newest: Map<string, string> = new Map();
  /** Own writes of all keys, by the id of the node that took them. */
  readonly #newestWrites: Map<string, string> = new Map();

  constructor(calls: SessionCalls, options: { readonly maxKeys?: number | undefined } = {}) {
    this.#calls = calls;
    this.#maxKeys = options.maxKeys ?? DEFAULT_MAX_KEYS;
  }

  /** The newest version of the key that this session knows of. */
  version(key: string): string | undefined {
    return this.#newest.get(key);
  }

  /** From now on reads of the key see this version or a newer one: one that a batch or another program has written. */
  saw(key: string, version: string): void {
    this.#read(key, version);
    keepNewest(this.#newestWrites, nodeOf(version), version, LIMITS.afterMaxVersions);
  }

  /** See `Client.get`. Rejects with `not_yet` when no node asked has come to hold what this session knows of. */
  async get(key: string, options: ReadOptions = {}): Promise<ReadResult> {
    const found = await this.#calls.get(key, this.#after(key, options));
    if (found.kind !== "unchanged" && found.version !== undefined) this.#read(key, found.version);
    return found;
  }

  async put(
    key: string,
    value: Uint8Array | string,
    options: PutOptions = {},
  ): Promise<WriteResult & { readonly created: boolean }> {
    const written = await this.#calls.put(key, value, options);
    this.saw(key, written.version);
    return written;
  }

  async delete(key: string, options: DeleteOptions = {}): Promise<WriteResult> {
    const written = await this.#calls.delete(key, options);
    this.saw(key, written.version);
    return written;
  }

  async siblings(key: string, options: ReadOptions = {}): Promise<SiblingList> {
    const list = await this.#calls.siblings(key, this.#after(key, options));
    const [winner] = list.siblings;
    if (winner !== undefined) this.#read(key, winner.version);
    return list;
  }

  async history(key: string, options: ReadOptions = {}): Promise<HistoryList> {
    return await this.#calls.history(key, this.#after(key, options));
  }

  /**
   * See `Client.batch`. Its reads see what this session knows of, and what it wrote and read is known from then on: the
   * node is asked for the results also with `results: "none"`.
   */
  async batch(operations: readonly Operation[], options: BatchOptions = {}): Promise<BatchResult["results"]> {
    const results = await this.#calls.batch(operations, { ...this.#afterAll(options), results: "all" });
    for (const result of results) {
      if (!("version" in result) || result.version === undefined) continue;
      if (result.op === "get") this.#read(result.key, result.version);
      else this.saw(result.key, result.version);
    }
    return options.results === "none" ? [] : results;
  }

  /** See `Client.list`. */
  async *list(options: ListOptions = {}): AsyncGenerator<ListItem> {
    for await (const item of this.#calls.list(this.#afterAll(options))) {
      this.#read(item.key, item.version);
      yield item;
    }
  }

  /** See `Client.pages`. */
  async *pages(options: ListOptions = {}): AsyncGenerator<ListPage> {
    for await (const page of this.#calls.pages(this.#afterAll(options))) {
      for (const { key, version } of page.items) this.#read(key, version);
      yield page;
    }
  }

  /** See `Client.conflicts`. */
  conflicts(options: Omit<ListOptions, "keysOnly"> = {}): AsyncGenerator<ConflictPage> {
    return this.#calls.conflicts(this.#afterAll(options));
  }

  #read(key: string, version: string): void {
    keepNewest(this.#newest, key, version, this.#maxKeys);
  }

  #afterAll<Options extends ListOptions | BatchOptions>(options: Options): Options {
    const versions = [...this.#newestWrites.values(), ...(options.afterVersions ?? [])];
    return { ...options, afterVersions: versions.slice(-LIMITS.afterMaxVersions) };
  }

  #after(key: string, options: ReadOptions): ReadOptions {
    const known = this.#newest.get(key);
    const asked = options.after;
    if (known === undefined || (asked !== undefined && asked > known)) return options;
    return { ...options, after: known };
  }
}

/** `<time>-<node id>`, see docs/http.md. */
function nodeOf(version: string): string {
  return version.slice(version.indexOf("-") + 1);
}

/** Versions of one key, and those of one node, sort as texts. */
function keepNewest(of: Map<string, string>, name: string, version: string, max: number): void {
  const known = of.get(name);
  of.delete(name);
  of.set(name, known !== undefined && known > version ? known : version);
  const [oldest] = of.keys();
  if (of.size > max && oldest !== undefined) of.delete(oldest);
}
