/**
 * Records as they are stored, one after the other in chunks of memory, and where each begins. To the garbage
 * collector a record is its key and a number: most of what is written is never read before it is written again, and
 * objects that live for seconds only cost more than encoding.
 */
import type { Slabs } from "@hearsay/core";

const CHUNK_MAX_BYTES = 64 * 1024;
/** In front of a record: its length, the room there is for it, and its bucket. */
const HEAD_BYTES = 12;
/** A key and its place in the table, measured. */
const ENTRY_OVERHEAD_BYTES = 80;

export interface PackedRecord {
  readonly bucket: number;
  /** As stored; the caller's own. */
  readonly value: Uint8Array;
}

export class PackedRecords {
  readonly #chunks: Uint8Array[] = [];
  readonly #chunkBytes: number;
  readonly #positions: Map<string, number> = new Map();
  #end: number;
  #bytes: number = 0;

  /** @param expectedBytes what it will come to: memory is not taken in pieces larger than that */
  constructor(expectedBytes: number) {
    this.#chunkBytes = Math.min(CHUNK_MAX_BYTES, Math.ceil(expectedBytes));
    this.#end = this.#chunkBytes;
  }

  /** Grows only: what is replaced or deleted keeps its room. */
  get bytes(): number {
    return this.#bytes;
  }

  static sizeOf(value: Uint8Array): number {
    return HEAD_BYTES + value.length + ENTRY_OVERHEAD_BYTES;
  }

  /** Of a key that is not there. */
  add(key: string, bucket: number, value: Uint8Array): void {
    const size = HEAD_BYTES + value.length;
    if (size > this.#chunkBytes - this.#end) this.#addChunk(size);
    const chunk = this.#chunks.at(-1);
    if (chunk === undefined) return;
    const at = this.#end;
    writeU32(chunk, at, value.length);
    writeU32(chunk, at + 4, value.length);
    writeU32(chunk, at + 8, bucket);
    chunk.set(value, at + HEAD_BYTES);
    this.#positions.set(key, (this.#chunks.length - 1) * this.#chunkBytes + at);
    this.#end += size;
    this.#bytes += PackedRecords.sizeOf(value);
  }

  /** Puts a value in the place of the key's earlier one. False where there is none, or no room for it: then there is none. */
  replace(key: string, value: Uint8Array): boolean {
    const position = this.#positions.get(key);
    if (position === undefined) return false;
    const chunk = this.#chunkOf(position);
    const at = position % this.#chunkBytes;
    if (value.length > readU32(chunk, at + 4)) {
      this.#positions.delete(key);
      return false;
    }
    writeU32(chunk, at, value.length);
    chunk.set(value, at + HEAD_BYTES);
    return true;
  }

  /** @param slabs for the copy of a value that is looked at only; what is to be kept gets memory of its own */
  get(key: string, slabs?: Slabs): PackedRecord | undefined {
    const position = this.#positions.get(key);
    if (position === undefined) return undefined;
    const chunk = this.#chunkOf(position);
    const at = position % this.#chunkBytes;
    const value = new Uint8Array(chunk.buffer, at + HEAD_BYTES, readU32(chunk, at));
    return { bucket: readU32(chunk, at + 8), value: slabs === undefined ? value.slice() : slabs.copy(value) };
  }

  delete(key: string): void {
    this.#positions.delete(key);
  }

  #chunkOf(position: number): Uint8Array {
    return this.#chunks[Math.floor(position / this.#chunkBytes)] ?? NO_CHUNK;
  }

  /** One that is larger than a chunk has one to itself. */
  #addChunk(size: number): void {
    this.#chunks.push(new Uint8Array(Math.max(size, this.#chunkBytes)));
    this.#end = 0;
  }
}

const NO_CHUNK = new Uint8Array(0);

function writeU32(bytes: Uint8Array, at: number, number: number): void {
  bytes[at] = number;
  bytes[at + 1] = number >>> 8;
  bytes[at + 2] = number >>> 16;
  bytes[at + 3] = number >>> 24;
}

function readU32(bytes: Uint8Array, at: number): number {
  return (
    ((bytes[at] ?? 0) |
      ((bytes[at + 1] ?? 0) << 8) |
      ((bytes[at + 2] ?? 0) << 16) |
      ((bytes[at + 3] ?? 0) << 24)) >>>
    0
  );
}
