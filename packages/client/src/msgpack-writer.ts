/** Writes MessagePack (github.com/msgpack/msgpack, spec.md) of maps, `str` and `bin`, in a buffer that grows. */

const encoder = new TextEncoder();

/** Texts up to this length are copied by a loop, which is quicker than a call into the platform. */
const SHORT_TEXT = 48;

export class MsgpackWriter {
  #buffer: Uint8Array;
  #view: DataView;
  #at = 0;

  constructor(capacity: number) {
    this.#buffer = new Uint8Array(capacity);
    this.#view = new DataView(this.#buffer.buffer);
  }

  bytes(): Uint8Array {
    return this.#buffer.subarray(0, this.#at);
  }

  /** @param length at most 15 */
  mapHeader(length: number): void {
    this.#reserve(1);
    this.#buffer[this.#at++] = 0x80 | length;
  }

  /** A length of 16 or 32 bits behind its type byte. */
  #lengthHeader(type16: number, type32: number, length: number): void {
    this.#reserve(5);
    if (length < 0x10000) {
      this.#view.setUint8(this.#at, type16);
      this.#view.setUint16(this.#at + 1, length);
      this.#at += 3;
    } else {
      this.#view.setUint8(this.#at, type32);
      this.#view.setUint32(this.#at + 1, length);
      this.#at += 5;
    }
  }

  /** An array whose length is not known yet. @returns where {@link MsgpackWriter.endArray} writes it */
  beginArray(): number {
    this.#reserve(5);
    this.#view.setUint8(this.#at, 0xdd);
    this.#at += 5;
    return this.#at - 4;
  }

  endArray(begun: number, length: number): void {
    this.#view.setUint32(begun, length);
  }

  field(name: string, value: string | undefined): void {
    if (value === undefined) return;
    this.text(name);
    this.text(value);
  }

  text(text: string): void {
    if (text.length > SHORT_TEXT || !this.#shortAscii(text)) this.#longText(text);
  }

  bin(bytes: Uint8Array): void {
    this.#lengthHeader(0xc5, 0xc6, bytes.length);
    this.#reserve(bytes.length);
    this.#buffer.set(bytes, this.#at);
    this.#at += bytes.length;
  }

  /** False, with nothing written, when the text is not ASCII. */
  #shortAscii(text: string): boolean {
    const { length } = text;
    this.#reserve(length + 2);
    const start = this.#at + (length < 32 ? 1 : 2);
    for (let i = 0; i < length; i++) {
      const unit = text.charCodeAt(i);
      if (unit > 0x7f) return false;
      this.#buffer[start + i] = unit;
    }
    if (length < 32) {
      this.#buffer[this.#at] = 0xa0 | length;
    } else {
      this.#buffer[this.#at] = 0xd9;
      this.#buffer[this.#at + 1] = length;
    }
    this.#at = start + length;
    return true;
  }

  #longText(text: string): void {
    this.#reserve(5 + text.length * 3);
    const { written } = encoder.encodeInto(text, this.#buffer.subarray(this.#at + 5));
    this.#view.setUint8(this.#at, 0xdb);
    this.#view.setUint32(this.#at + 1, written);
    this.#at += 5 + written;
  }

  #reserve(bytes: number): void {
    const needed = this.#at + bytes;
    if (needed <= this.#buffer.length) return;
    const larger = new Uint8Array(Math.max(needed, this.#buffer.length * 2));
    larger.set(this.#buffer.subarray(0, this.#at));
    this.#buffer = larger;
    this.#view = new DataView(larger.buffer);
  }
}
