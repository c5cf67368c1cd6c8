/**
 * A key is any well-formed Unicode text of 1 to 1,024 bytes in UTF-8, without normalisation. Well-formed text
 * and valid UTF-8 stand for each other one to one, so keys are strings in memory and bytes on disk and wire.
 */

export const KEY_MAX_BYTES = 1024;

export type KeyFault = "empty" | "too_long" | "not_utf8";

const encoder = new TextEncoder();
const strictDecoder = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

export function keyFault(key: string): KeyFault | undefined {
  if (key.length === 0) return "empty";
  if (key.length > KEY_MAX_BYTES) return "too_long";
  if (!key.isWellFormed()) return "not_utf8";
  // A UTF-16 unit takes at most three bytes, so short keys need not be encoded to know that they fit.
  if (key.length * 3 > KEY_MAX_BYTES && encoder.encode(key).length > KEY_MAX_BYTES) return "too_long";
  return undefined;
}

export function encodeUtf8(text: string): Uint8Array {
  if (text.length > BY_HAND_MAX_LENGTH) return encoder.encode(text);
  const bytes = new Uint8Array(text.length);
  for (let i = 0; i < text.length; i++) {
    const unit = text.charCodeAt(i);
    if (unit > ASCII_MAX) return encoder.encode(text);
    bytes[i] = unit;
  }
  return bytes;
}

const ASCII_MAX = 0x7f;
/** Up to here the call of the encoder costs more than the encoding. */
const BY_HAND_MAX_LENGTH = 64;

/** Undefined when the bytes are not valid UTF-8. A byte order mark is kept: it is part of the key. */
export function decodeUtf8(bytes: Uint8Array): string | undefined {
  try {
    return strictDecoder.decode(bytes);
  } catch {
    return undefined;
  }
}

/** Order of the UTF-8 bytes, which is the order of code points and not that of JavaScript's UTF-16 units. */
export function compareKeys(a: string, b: string): number {
  const length = Math.min(a.length, b.length);
  for (let i = 0; i < length; i++) {
    const x = a.charCodeAt(i);
    const y = b.charCodeAt(i);
    if (x === y) continue;
    // Surrogates (astral code points) sort after the rest of the basic plane.
    const xRank = x >= 0xd800 && x <= 0xdfff ? x + 0x10000 : x;
    const yRank = y >= 0xd800 && y <= 0xdfff ? y + 0x10000 : y;
    return xRank - yRank;
  }
  return a.length - b.length;
}
