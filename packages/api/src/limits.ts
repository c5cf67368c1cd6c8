/** Limits that are part of the contract and no knobs. Sizes are in bytes. */
export const LIMITS = {
  /** Of the key's UTF-8 bytes, after percent-decoding. */
  keyMaxBytes: 1024,
  /** Of the path and query of a request. */
  urlMaxBytes: 8192,
  contentTypeMaxBytes: 255,
  /** Of the `Hearsay-Context` header. */
  contextMaxBytes: 6144,
  /** Versions in the `Hearsay-After` header of a read of many keys: the newest of each node that wrote. */
  afterMaxVersions: 64,
  /** Items in one page of a listing. */
  pageMaxItems: 1000,
  pageDefaultItems: 100,
  /** Operations in one batch. */
  batchMaxOperations: 1000,
  /** `timeout` on reads and writes. */
  timeoutMaxMs: 600_000,
  timeoutDefaultMs: 5_000,
} as const;

export const DEFAULT_PORT = 7171;

/** Where clients look for a node unless told otherwise. */
export const DEFAULT_ENDPOINT = `http://127.0.0.1:${DEFAULT_PORT}`;
