/**
 * Reads that see one's own writes, and never go back behind what was read before, whichever node answers
 * (Terry et al., "Session Guarantees for Weakly Consistent Replicated Data", 1994: read your writes, monotonic reads).
 *
 * A session remembers the newest version it has written or read of each key, and reads carry it in `Hearsay-After`: a
 * node that lacks it fetches it from a peer first. Versions of a key sort as texts.
 *
 * Bound: `maxKeys` keys, the ones used last. A key that was forgotten is read as without a session.
 */
import type { HistoryList, SiblingList, WriteResult } from "@hearsay/api";
import type { ReadResult } from "./answers.ts";
import type { DeleteOptions, PutOptions, ReadOptions } from "./options.ts";

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
}

const DEFAULT_MAX_KEYS = 10_000;

export class Session {
  readonly #calls: SessionCalls;
  readonly #maxKeys: number;
  readonly #newest: Map<string, string> = new Map();

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
    const known = this.#newest.get(key);
    this.#newest.delete(key);
    this.#newest.set(key, known !== undefined && known > version ? known : version);
    const [oldest] = this.#newest.keys();
    if (this.#newest.size > this.#maxKeys && oldest !== undefined) this.#newest.delete(oldest);
  }

  /** See `Client.get`. Rejects with `not_yet` when no node asked has come to hold what this session knows of. */
  async get(key: string, options: ReadOptions = {}): Promise<ReadResult> {
    const found = await this.#calls.get(key, this.#after(key, options));
    if (found.kind !== "unchanged" && found.version !== undefined) this.saw(key, found.version);
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
    if (winner !== undefined) this.saw(key, winner.version);
    return list;
  }

  async history(key: string, options: ReadOptions = {}): Promise<HistoryList> {
    return await this.#calls.history(key, this.#after(key, options));
  }

  #after(key: string, options: ReadOptions): ReadOptions {
    const known = this.#newest.get(key);
    const asked = options.after;
    if (known === undefined || (asked !== undefined && asked > known)) return options;
    return { ...options, after: known };
  }
}
