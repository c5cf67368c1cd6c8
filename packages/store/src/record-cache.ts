import type { KeyRecord } from "@hearsay/core";
import type { Summary } from "./summary.ts";

/** A committed record with what the store remembers of it. */
export interface Stored {
  readonly kind: "record";
  readonly record: KeyRecord;
  readonly revision: number;
  /** Undefined until a write needs it. */
  readonly bucket: number | undefined;
  readonly summary: Summary;
}

/** Estimated size of the objects around a cached record, measured on records with one sibling. */
const ENTRY_OVERHEAD_BYTES = 700;

/**
 * The newest records, in two generations: when the young one holds half of what is allowed, it becomes the old
 * one and the old one is dropped. Everything is O(1), and at least the newest half is always there.
 */
export class RecordCache {
  readonly #generationBytes: number;
  #young: Map<string, Stored> = new Map();
  #youngBytes: number = 0;
  #old: Map<string, Stored> = new Map();
  #oldBytes: number = 0;

  /** @param maxBytes by estimate; 0 keeps nothing */
  constructor(maxBytes: number) {
    this.#generationBytes = maxBytes / 2;
  }

  get bytes(): number {
    return this.#youngBytes + this.#oldBytes;
  }

  get(key: string): Stored | undefined {
    return this.#young.get(key) ?? this.#old.get(key);
  }

  set(key: string, stored: Stored): void {
    const bytes = sizeOf(stored);
    this.delete(key);
    if (bytes > this.#generationBytes) return;
    if (this.#youngBytes + bytes > this.#generationBytes) {
      this.#old = this.#young;
      this.#oldBytes = this.#youngBytes;
      this.#young = new Map();
      this.#youngBytes = 0;
    }
    this.#young.set(key, stored);
    this.#youngBytes += bytes;
  }

  delete(key: string): void {
    const young = this.#young.get(key);
    if (young !== undefined) {
      this.#young.delete(key);
      this.#youngBytes -= sizeOf(young);
    }
    const old = this.#old.get(key);
    if (old !== undefined) {
      this.#old.delete(key);
      this.#oldBytes -= sizeOf(old);
    }
  }
}

function sizeOf(stored: Stored): number {
  return stored.summary.bytes + ENTRY_OVERHEAD_BYTES;
}
