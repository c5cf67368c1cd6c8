/**
 * Writes MessagePack (github.com/msgpack/msgpack, spec.md) straight from what is to be said: lists and objects as arrays,
 * integers of up to 32 bits as such, every other number as a float of 64 bits.
 *
 * One message at a time, from {@link MsgpackWriter.begin} to {@link MsgpackWriter.take}.
 */
import { encodeUtf8 } from "@hearsay/core";

/** Room kept between messages; a larger one is let go of. */
const KEPT_BYTES = 256 * 1024;
/** Texts up to this length are copied by a loop, which is quicker than a call into the platform. */
const SHORT_TEXT = 64;
const ASCII_MAX = 0x7f;

export class MsgpackWriter {
  #bytes: Uint8Array = new Uint8Array(KEPT_BYTES);
  #view: DataView = new DataView(this.#bytes.buffer);
  #at: number = 0;

  /** Forgets a message that was broken off. */
  begin(): void {
    this.#at = 0;
  }

  /** The message, in memory that is nobody else's. */
  take(): Uint8Array {
    const message = this.#bytes.slice(0, this.#at);
    if (this.#bytes.length > KEPT_BYTES) this.#use(new Uint8Array(KEPT_BYTES));
    return message;
  }

  nil(): void {
    this.#byte(0xc0);
  }

  bool(value: boolean): void {
    this.#byte(value ? 0xc3 : 0xc2);
  }

  number(value: number): void {
    this.#reserve(9);
    if (value >>> 0 === value) this.#unsigned(value);
    else if (value >> 0 === value) this.#negative(value);
    else {
      this.#bytes[this.#at] = 0xcb;
      this.#view.setFloat64(this.#at + 1, value);
      this.#at += 9;
    }
  }

  /** The next so many values are its items. */
  array(length: number): void {
    if (length < 16) this.#byte(0x90 | length);
    else this.#header(0xdc, length);
  }

  bin(value: Uint8Array): void {
    this.#shortHeader(0xc4, value.length);
    this.#raw(value);
  }

  /** The text's UTF-8 as binary. */
  utf8(text: string): void {
    const { length } = text;
    this.#reserve(length + 2);
    if (length <= SHORT_TEXT && this.#ascii(text, this.#at + 2)) {
      this.#bytes[this.#at] = 0xc4;
      this.#bytes[this.#at + 1] = length;
      this.#at += 2 + length;
    } else this.bin(encodeUtf8(text));
  }

  /** Well-formed. */
  text(text: string): void {
    const { length } = text;
    this.#reserve(length + 2);
    const head = length < 32 ? 1 : 2;
    if (length <= SHORT_TEXT && this.#ascii(text, this.#at + head)) {
      this.#bytes[this.#at] = head === 1 ? 0xa0 | length : 0xd9;
      if (head === 2) this.#bytes[this.#at + 1] = length;
      this.#at += head + length;
    } else this.#longText(encodeUtf8(text));
  }

  #longText(encoded: Uint8Array): void {
    if (encoded.length < 32) this.#byte(0xa0 | encoded.length);
    else this.#shortHeader(0xd9, encoded.length);
    this.#raw(encoded);
  }

  /** False where it is not ASCII; then what was written is written over. */
  #ascii(text: string, at: number): boolean {
    for (let i = 0; i < text.length; i++) {
      const unit = text.charCodeAt(i);
      if (unit > ASCII_MAX) return false;
      this.#bytes[at + i] = unit;
    }
    return true;
  }

  #unsigned(value: number): void {
    if (value < 0x80) this.#bytes[this.#at++] = value;
    else if (value < 0x100) {
      this.#bytes[this.#at] = 0xcc;
      this.#bytes[this.#at + 1] = value;
      this.#at += 2;
    } else this.#header(0xcd, value);
  }

  #negative(value: number): void {
    if (value >= -0x20) this.#bytes[this.#at++] = value + 0x100;
    else if (value >= -0x80) {
      this.#bytes[this.#at] = 0xd0;
      this.#bytes[this.#at + 1] = value + 0x100;
      this.#at += 2;
    } else {
      this.#bytes[this.#at] = 0xd2;
      this.#view.setInt32(this.#at + 1, value);
      this.#at += 5;
    }
  }

  /** A length behind its type: of 8 bits where it fits, else as {@link MsgpackWriter.#header}. */
  #shortHeader(type8: number, length: number): void {
    this.#reserve(2);
    if (length < 0x100) {
      this.#bytes[this.#at] = type8;
      this.#bytes[this.#at + 1] = length;
      this.#at += 2;
    } else this.#header(type8 + 1, length);
  }

  /** A number of 16 bits behind its type, or of 32 behind the next one: the types lie in that order. */
  #header(type16: number, value: number): void {
    this.#reserve(5);
    if (value < 0x10000) {
      this.#bytes[this.#at] = type16;
      this.#view.setUint16(this.#at + 1, value);
      this.#at += 3;
    } else {
      this.#bytes[this.#at] = type16 + 1;
      this.#view.setUint32(this.#at + 1, value);
      this.#at += 5;
    }
  }

  #byte(value: number): void {
    this.#reserve(1);
    this.#bytes[this.#at++] = value;
  }

  #raw(value: Uint8Array): void {
    this.#reserve(value.length);
    this.#bytes.set(value, this.#at);
    this.#at += value.length;
  }

  #reserve(bytes: number): void {
    const needed = this.#at + bytes;
    if (needed <= this.#bytes.length) return;
    const larger = new Uint8Array(Math.max(needed, this.#bytes.length * 2));
    larger.set(this.#bytes.subarray(0, this.#at));
    this.#use(larger);
  }

  #use(bytes: Uint8Array): void {
    this.#bytes = bytes;
    this.#view = new DataView(bytes.buffer);
  }
}
