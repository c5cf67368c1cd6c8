/** What an asking side has found out that it must still send, and ask for. Bound: {@link isLarge} says when to transfer. */
import type { BucketWant, RefusedVersions, Version } from "@hearsay/core";
import { type ExchangeLimits, type ReadRecord, recordBytes } from "./session.ts";

export class Backlog {
  readonly #limits: ExchangeLimits;
  readonly #push: Map<string, ReadRecord> = new Map();
  readonly #want: Map<number, Set<string>> = new Map();
  readonly #refused: Map<string, readonly Version[]> = new Map();
  #pushBytes = 0;
  #wants = 0;

  constructor(limits: ExchangeLimits) {
    this.#limits = limits;
  }

  /** Keys to send or ask for. */
  get size(): number {
    return this.#push.size + this.#wants;
  }

  /** More than fits into one message. */
  get isLarge(): boolean {
    return this.#pushBytes >= this.#limits.maxMessageBytes || this.#wants >= this.#limits.maxWants;
  }

  push(keyed: ReadRecord): void {
    this.#push.set(keyed.key, keyed);
    this.#pushBytes += recordBytes(keyed.key, keyed.record);
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
    this.#refused.set(key, [...(this.#refused.get(key) ?? []), ...versions]);
  }

  /**
   * What of it may go with the pushes that were taken last: all but what its key's record still waits to be sent for. Without that
   * record the peer would not hold what the dropped versions covered, and claim that it does.
   */
  takeRefused(): RefusedVersions[] {
    const taken: RefusedVersions[] = [];
    for (const [key, versions] of this.#refused) {
      if (this.#push.has(key)) continue;
      taken.push({ key, versions });
      this.#refused.delete(key);
    }
    return taken;
  }

  /** As many as fit into one message, the first whatever its size. */
  takePushes(): ReadRecord[] {
    const taken: ReadRecord[] = [];
    let bytes = 0;
    for (const [key, keyed] of this.#push) {
      const size = recordBytes(key, keyed.record);
      if (taken.length > 0 && bytes + size > this.#limits.maxMessageBytes) break;
      if (taken.length >= this.#limits.maxRecords) break;
      bytes += size;
      taken.push(keyed);
      this.#push.delete(key);
    }
    this.#pushBytes = this.#push.size === 0 ? 0 : this.#pushBytes - bytes;
    return taken;
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
}
