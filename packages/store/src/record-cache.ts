import { type KeyRecord, Slabs } from "@hearsay/core";
import { PackedRecords } from "./packed-records.ts";
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

/** Estimated size of the objects around a decoded record, measured on records with one sibling. */
const DECODED_OVERHEAD_BYTES = 700;

/** Records remembered after a glance, and the size of one at most. */
const GLANCED_MAX = 256;
const GLANCED_MAX_BYTES = 4096;

/** Decodes what {@link RecordCache.written} was given. */
export type Decode = (key: string, value: Uint8Array, bucket: number) => Stored | undefined;

/**
 * The newest records: those that were written as they are stored, those that were read decoded. Each kind lies in two
 * generations: when the young one is full it becomes the old one and the old one is dropped. Everything is O(1). What is
 * written again keeps its place, so that one key that is written all the time pushes out no other.
 *
 * Bound: what was read takes at most half, what was written the rest.
 */
export class RecordCache {
  readonly #maxBytes: number;
  readonly #decode: Decode;
  readonly #read: DecodedRecords;
  #glanced: Map<string, Stored> = new Map();
  readonly #slabs: Slabs = new Slabs();
  #young: PackedRecords;
  #old: PackedRecords;

  /** @param maxBytes by estimate; 0 keeps nothing */
  constructor(maxBytes: number, decode: Decode) {
    this.#maxBytes = maxBytes;
    this.#decode = decode;
    this.#read = new DecodedRecords(maxBytes / 4);
    this.#young = this.#generation();
    this.#old = this.#generation();
  }

  get bytes(): number {
    return this.#young.bytes + this.#old.bytes + this.#read.bytes;
  }

  /** For a reader: what it finds is kept decoded, the same object for as long as it stays. */
  get(key: string): Stored | undefined {
    const read = this.#read.get(key);
    if (read !== undefined) return read;
    const stored = this.#unpack(key, undefined);
    if (stored !== undefined) this.keep(key, stored);
    return stored;
  }

  /** For a writer, who is about to replace it. */
  peek(key: string): Stored | undefined {
    return this.#read.get(key) ?? this.#glanced.get(key) ?? this.#unpack(key, this.#slabs);
  }

  /** For a few looks in a row, as when messages to several peers are made: the last ones are remembered, none is kept. */
  glance(key: string): Stored | undefined {
    const known = this.#read.get(key) ?? this.#glanced.get(key);
    if (known !== undefined) return known;
    const stored = this.#unpack(key, this.#slabs);
    if (stored === undefined || stored.summary.bytes > GLANCED_MAX_BYTES) return stored;
    if (this.#glanced.size >= GLANCED_MAX) this.#glanced = new Map();
    this.#glanced.set(key, stored);
    return stored;
  }

  /** Keeps what was read from the database. */
  keep(key: string, stored: Stored): void {
    this.#read.set(key, stored);
    this.#stayWithin();
  }

  /** @param value as stored; it is copied */
  written(key: string, bucket: number, value: Uint8Array): void {
    this.#forget(key);
    if (this.#young.replace(key, value) || this.#old.replace(key, value)) return;
    this.created(key, bucket, value);
  }

  /** The same for a key of which nothing is kept. */
  created(key: string, bucket: number, value: Uint8Array): void {
    const size = PackedRecords.sizeOf(value);
    const generationBytes = (this.#maxBytes - this.#read.bytes) / 2;
    if (size > generationBytes) return;
    if (this.#young.bytes + size > generationBytes) {
      this.#old = this.#young;
      this.#young = this.#generation();
    }
    this.#young.add(key, bucket, value);
    this.#stayWithin();
  }

  delete(key: string): void {
    this.#forget(key);
    this.#young.delete(key);
    this.#old.delete(key);
  }

  /** What was decoded. */
  #forget(key: string): void {
    this.#read.delete(key);
    this.#glanced.delete(key);
  }

  #stayWithin(): void {
    if (this.bytes > this.#maxBytes) this.#old = this.#generation();
  }

  #generation(): PackedRecords {
    return new PackedRecords(this.#maxBytes / 2);
  }

  #unpack(key: string, slabs: Slabs | undefined): Stored | undefined {
    const packed = this.#young.get(key, slabs) ?? this.#old.get(key, slabs);
    return packed === undefined ? undefined : this.#decode(key, packed.value, packed.bucket);
  }
}

class DecodedRecords {
  readonly #generationBytes: number;
  #young: Map<string, Stored> = new Map();
  #youngBytes: number = 0;
  #old: Map<string, Stored> = new Map();
  #oldBytes: number = 0;

  constructor(generationBytes: number) {
    this.#generationBytes = generationBytes;
  }

  get bytes(): number {
    return this.#youngBytes + this.#oldBytes;
  }

  get(key: string): Stored | undefined {
    return this.#young.get(key) ?? this.#old.get(key);
  }

  /** Of a key that is not there. */
  set(key: string, stored: Stored): void {
    const bytes = sizeOf(stored);
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
    if (this.bytes === 0) return;
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
  return stored.summary.bytes + DECODED_OVERHEAD_BYTES;
}
