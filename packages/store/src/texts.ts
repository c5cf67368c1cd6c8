/**
 * Node ids and content types repeat from record to record, and encoding or decoding a short text costs several
 * times a look at a table. Both directions remember what they have seen, bounded.
 */
import { decodeUtf8, encodeUtf8, readNodeId } from "@hearsay/core";

const REMEMBERED_MAX = 1024;
/** Longer texts are rare and would fill the memory with what never repeats. */
const REMEMBERED_MAX_BYTES = 128;

export class TextMemo {
  #byText: Map<string, Uint8Array> = new Map();
  #byHash: Map<number, { readonly bytes: Uint8Array; readonly text: string }> = new Map();

  encode(text: string): Uint8Array {
    const known = this.#byText.get(text);
    if (known !== undefined) return known;
    const bytes = encodeUtf8(text);
    if (bytes.length <= REMEMBERED_MAX_BYTES) {
      if (this.#byText.size >= REMEMBERED_MAX) this.#byText = new Map();
      this.#byText.set(text, bytes);
    }
    return bytes;
  }

  /** @throws RangeError when the bytes are no UTF-8 */
  decode(source: Uint8Array, start: number, length: number): string {
    let hash = length;
    for (let i = start; i < start + length; i++) hash = (Math.imul(hash, 31) + (source[i] ?? 0)) | 0;
    const known = this.#byHash.get(hash);
    if (known !== undefined && matches(known.bytes, source, start, length)) return known.text;
    // A copy, and not a view that would keep the whole source in memory.
    const bytes = new Uint8Array(source.subarray(start, start + length));
    const decoded = decodeUtf8(bytes);
    const text = decoded === undefined ? undefined : (readNodeId(decoded) ?? decoded);
    if (text === undefined || bytes.length !== length) throw new RangeError("no UTF-8 text of that length");
    if (length <= REMEMBERED_MAX_BYTES) {
      if (this.#byHash.size >= REMEMBERED_MAX) this.#byHash = new Map();
      this.#byHash.set(hash, { bytes, text });
    }
    return text;
  }
}

function matches(known: Uint8Array, source: Uint8Array, start: number, length: number): boolean {
  if (known.length !== length) return false;
  for (let i = 0; i < length; i++) if (known[i] !== source[start + i]) return false;
  return true;
}
