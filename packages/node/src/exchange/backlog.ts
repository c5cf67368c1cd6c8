/** What an asking side has found out that it must still send, and ask for. Bound: {@link isLarge} says when to transfer. */
import type { BucketWant, RefusedVersions, Version } from "@hearsay/core";
import { type ExchangeLimits, type ReadRecord, recordBytes, refusedBytes } from "./session.ts";

/** What is to be told of one key. */
interface Waiting {
  /** Undefined where there is nothing to send. */
  readonly record: ReadRecord | undefined;
  readonly refused: readonly Version[];
  readonly bytes: number;
}

export class Backlog {
  readonly #limits: ExchangeLimits;
  readonly #send: Map<string, Waiting> = new Map();
  readonly #want: Map<number, Set<string>> = new Map();
  #bytes = 0;
  #wants = 0;

  constructor(limits: ExchangeLimits) {
    this.#limits = limits;
  }

  /** Keys to tell of or to ask for. */
  get size(): number {
    return this.#send.size + this.#wants;
  }

  /** More than fits into one message. */
  get isLarge(): boolean {
    return this.#bytes >= this.#limits.maxMessageBytes || this.#wants >= this.#limits.maxWants;
  }

  push(record: ReadRecord): void {
    this.#put(record.key, record, this.#send.get(record.key)?.refused ?? []);
  }

  want(bucket: number, keyHash: string): void {
    const hashes = this.#want.get(bucket) ?? new Set();
    this.#want.set(bucket, hashes);
    if (hashes.has(keyHash)) return;
    hashes.add(keyHash);
    this.#wants += 1;
  }

  /** The peer is to drop these versions of what it has sent, and to take what is held here of the key in their place. */
  refuse({ key, versions }: RefusedVersions): void {
    const waiting = this.#send.get(key);
    this.#put(key, waiting?.record, [...(waiting?.refused ?? []), ...versions]);
  }

  /**
   * As much to send as fits into one message, the first key whatever it takes. What was refused of a key goes with its record: without
   * that the peer would not hold what the dropped versions covered, and claim that it does.
   */
  takeSends(): { readonly records: readonly ReadRecord[]; readonly refused: readonly RefusedVersions[] } {
    const records: ReadRecord[] = [];
    const refused: RefusedVersions[] = [];
    let bytes = 0;
    let keys = 0;
    for (const [key, waiting] of this.#send) {
      if (keys > 0 && bytes + waiting.bytes > this.#limits.maxMessageBytes) break;
      if (keys >= this.#limits.maxRecords) break;
      bytes += waiting.bytes;
      keys += 1;
      if (waiting.record !== undefined) records.push(waiting.record);
      if (waiting.refused.length > 0) refused.push({ key, versions: waiting.refused });
      this.#send.delete(key);
    }
    this.#bytes -= bytes;
    return { records, refused };
  }

  takeWants(): BucketWant[] {
    const taken: BucketWant[] = [];
    let left = this.#limits.maxWants;
    for (const [bucket, hashes] of this.#want) {
      if (left <= 0) break;
      const keyHashes = [...hashes].slice(0, left);
      for (const keyHash of keyHashes) hashes.delete(keyHash);
      if (hashes.size === 0) this.#want.delete(bucket);
      left -= keyHashes.length;
      this.#wants -= keyHashes.length;
      taken.push({ bucket, keyHashes });
    }
    return taken;
  }

  #put(key: string, record: ReadRecord | undefined, refused: readonly Version[]): void {
    let bytes = record === undefined ? 0 : recordBytes(key, record.record);
    if (refused.length > 0) bytes += refusedBytes({ key, versions: refused });
    this.#bytes += bytes - (this.#send.get(key)?.bytes ?? 0);
    this.#send.set(key, { record, refused, bytes });
  }
}
