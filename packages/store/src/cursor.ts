/** Reading and writing fixed shapes in bytes. Big-endian; reading beyond the end throws RangeError. */
import type { TextMemo } from "./texts.ts";

/** The checksum every value ends in. */
export const CRC_BYTES = 4;

/** Memory is taken from the platform in pieces of this size: a piece for each value costs more than encoding it. */
const SLAB_BYTES = 16 * 1024;
/** Larger ones get memory of their own, so that no long-lived small one keeps much more than itself. */
const SLAB_SHARE_BYTES = 1024;

/**
 * Writes one after the other. What is written is never touched again, and a view of it keeps at most
 * {@link SLAB_BYTES} or itself in memory.
 */
export class Writer {
  readonly #texts: TextMemo;
  #bytes: Uint8Array = new Uint8Array(0);
  #view: DataView = new DataView(this.#bytes.buffer);
  #at: number = 0;

  constructor(texts: TextMemo) {
    this.#texts = texts;
  }

  /** Makes room; every write belongs to the latest call. */
  begin(size: number): number {
    if (size > this.#bytes.length - this.#at) {
      this.#bytes = new Uint8Array(size > SLAB_SHARE_BYTES ? size : SLAB_BYTES);
      this.#view = new DataView(this.#bytes.buffer);
      this.#at = 0;
    }
    return this.#at;
  }

  /** Where the next write goes. */
  get at(): number {
    return this.#at;
  }

  /** What has been written between two positions since {@link Writer.begin}. */
  view(start: number, end: number = this.#at): Uint8Array {
    return new Uint8Array(this.#bytes.buffer, start, end - start);
  }

  u8(value: number): void {
    this.#view.setUint8(this.#at, value);
    this.#at += 1;
  }

  u16(value: number): void {
    this.#view.setUint16(this.#at, value);
    this.#at += 2;
  }

  u32(value: number): void {
    this.#view.setUint32(this.#at, value);
    this.#at += 4;
  }

  f64(value: number): void {
    this.#view.setFloat64(this.#at, value);
    this.#at += 8;
  }

  raw(source: Uint8Array): void {
    this.#bytes.set(source, this.#at);
    this.#at += source.length;
  }

  /** Up to 255 bytes. */
  shortText(text: string): void {
    const encoded = this.#texts.encode(text);
    this.u8(encoded.length);
    this.raw(encoded);
  }

  /** Up to 65,535 bytes. */
  text(text: string): void {
    const encoded = this.#texts.encode(text);
    this.u16(encoded.length);
    this.raw(encoded);
  }
}

export class Reader {
  readonly #bytes: Uint8Array;
  readonly #view: DataView;
  readonly #texts: TextMemo;
  #at: number = 0;

  constructor(bytes: Uint8Array, texts: TextMemo) {
    this.#bytes = bytes;
    this.#view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    this.#texts = texts;
  }

  checksum(): number {
    return this.#view.getUint32(this.#bytes.length - CRC_BYTES);
  }

  /** Bytes that are not read yet, but for the checksum. */
  get left(): number {
    return this.#bytes.length - CRC_BYTES - this.#at;
  }

  u8(): number {
    this.#at += 1;
    return this.#view.getUint8(this.#at - 1);
  }

  u16(): number {
    this.#at += 2;
    return this.#view.getUint16(this.#at - 2);
  }

  u32(): number {
    this.#at += 4;
    return this.#view.getUint32(this.#at - 4);
  }

  f64(): number {
    this.#at += 8;
    return this.#view.getFloat64(this.#at - 8);
  }

  skip(length: number): void {
    this.#at += length;
    if (this.#at > this.#bytes.length) throw new RangeError("beyond the end");
  }

  raw(length: number): Uint8Array {
    this.#at += length;
    if (this.#at > this.#bytes.length) throw new RangeError("beyond the end");
    // A plain array also where the database hands out a subclass of it.
    return new Uint8Array(this.#bytes.buffer, this.#bytes.byteOffset + this.#at - length, length);
  }

  shortText(): string {
    return this.#readText(this.u8());
  }

  text(): string {
    return this.#readText(this.u16());
  }

  #readText(length: number): string {
    this.#at += length;
    return this.#texts.decode(this.#bytes, this.#at - length, length);
  }
}
