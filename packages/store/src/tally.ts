/** What is known of all committed records together: fingerprints and counters. Changes with every commit, in O(1). */
import { type Digest, Fingerprints, type HlcTime, type RecordHasher } from "@hearsay/core";
import type { Summary } from "./summary.ts";

export interface Counters {
  readonly records: number;
  /** Records whose winner is a tombstone. */
  readonly tombstones: number;
  /** Records that may be purged from some time on. */
  readonly purgeable: number;
  /** Bytes of keys and stored records. */
  readonly bytes: number;
}

/** What one record contributes, with its digest computed ahead of the commit. */
export interface Contribution {
  readonly summary: Summary;
  readonly digest: Digest;
}

const NO_COUNTERS: Counters = { records: 0, tombstones: 0, purgeable: 0, bytes: 0 };

export class Tally {
  readonly fingerprints: Fingerprints;
  /** A record was lost together with what it contributed: no longer to be trusted beyond this run. */
  suspect: boolean = false;
  /** At a floor below this no record may be purged. Whoever has looked in vain raises it. */
  purgeableFrom: HlcTime = 0;
  #records: number;
  #tombstones: number;
  #purgeable: number;
  #bytes: number;

  constructor(fingerprints: Fingerprints, counters: Counters) {
    this.fingerprints = fingerprints;
    this.#records = counters.records;
    this.#tombstones = counters.tombstones;
    this.#purgeable = counters.purgeable;
    this.#bytes = counters.bytes;
  }

  static empty(): Tally {
    return new Tally(new Fingerprints(), NO_COUNTERS);
  }

  get counters(): Counters {
    return {
      records: this.#records,
      tombstones: this.#tombstones,
      purgeable: this.#purgeable,
      bytes: this.#bytes,
    };
  }

  add(bucket: number, { summary, digest }: Contribution): void {
    this.fingerprints.add(bucket, digest);
    this.#count(summary, 1);
    this.purgeableFrom = Math.min(this.purgeableFrom, summary.purgeableFrom ?? this.purgeableFrom);
  }

  subtract(bucket: number, { summary, digest }: Contribution): void {
    this.fingerprints.subtract(bucket, digest);
    this.#count(summary, -1);
  }

  #count(summary: Summary, sign: 1 | -1): void {
    this.#records += sign;
    this.#bytes += sign * summary.bytes;
    if (summary.tombstone) this.#tombstones += sign;
    if (summary.purgeableFrom !== undefined) this.#purgeable += sign;
  }
}

export function contributionOf(
  hasher: RecordHasher,
  key: string | Uint8Array,
  summary: Summary,
): Contribution {
  return { summary, digest: hasher.recordDigest(key, summary.versions) };
}
