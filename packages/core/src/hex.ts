/** Bytes as lower-case hexadecimal digits, by tables: hashes are turned to and fro in every exchange. */

const DIGITS: readonly string[] = Array.from({ length: 256 }, (_, byte) =>
  byte.toString(16).padStart(2, "0"),
);

export function toHex(bytes: Uint8Array, start: number = 0, end: number = bytes.length): string {
  let text = "";
  for (let i = start; i < end; i++) text += DIGITS[bytes[i] ?? 0];
  return text;
}

/** The same of a text whose characters are bytes, as digests are handed on. @param length how many of them */
export function charsToHex(chars: string, length: number = chars.length): string {
  let text = "";
  for (let i = 0; i < length; i++) text += DIGITS[chars.charCodeAt(i)];
  return text;
}

/** Writes the first bytes of an even number of digits. @param length in bytes */
export function writeHex(
  text: string,
  into: Uint8Array,
  at: number = 0,
  length: number = text.length / 2,
): void {
  for (let i = 0; i < length; i++) {
    into[at + i] = (digitAt(text.charCodeAt(2 * i)) << 4) | digitAt(text.charCodeAt(2 * i + 1));
  }
}

export function fromHex(text: string): Uint8Array {
  const bytes = new Uint8Array(text.length / 2);
  writeHex(text, bytes);
  return bytes;
}

const NINE = 0x39;
const ZERO = 0x30;
const BEFORE_A = 0x61 - 10;

function digitAt(code: number): number {
  return code <= NINE ? code - ZERO : code - BEFORE_A;
}
