/**
 * Checks MessagePack bytes before a decoder sees them, in one pass and without allocating: what passes holds
 * only the types the protocol uses, inside limits, in one encoding per value a decoder could misread.
 *
 * Allowed: nil, booleans, integers that are safe in JavaScript, 64-bit floats, strings of valid UTF-8 (RFC 3629),
 * binaries, arrays, and (where the caller says so) maps with string keys, none twice. Extension types are
 * refused: through them a decoder can be made to define record classes and to build sets, expressions and errors.
 * Invariant: a container's count and a string's length are checked against the bytes that are left before
 * anything is done on their word.
 */

export interface ScanLimits {
  /** Length of the whole message, in bytes. */
  readonly maxBytes: number;
  /** Containers inside one another; a lone scalar has depth 0. At most {@link SCAN_DEPTH_MAX}. */
  readonly maxDepth: number;
  /** Values in the whole message, containers and map keys included. */
  readonly maxItems: number;
  /** Length of one string, in bytes. */
  readonly maxStringBytes: number;
  /** Length of one binary, in bytes. */
  readonly maxBinaryBytes: number;
  /** Messages between nodes are arrays throughout; only clients send maps. */
  readonly maps: "refused" | "string_keys";
}

export interface ScanFault {
  readonly code:
    | "too_large"
    | "truncated"
    | "trailing_bytes"
    | "type_not_allowed"
    | "too_deep"
    | "too_many_items"
    | "too_long"
    | "not_utf8"
    | "unsafe_integer"
    | "too_many_keys"
    | "key_not_allowed"
    | "duplicate_key";
  /** Offset of the refused value, in bytes. */
  readonly at: number;
}

/** What the scanner has room for; limits beyond it count as this. */
export const SCAN_DEPTH_MAX = 32;
/** Keys of one map. */
export const SCAN_MAP_KEYS_MAX = 32;

const REFUSED = 0;
const SCALAR = 1;
const INT64 = 2;
const STRING = 3;
const BINARY = 4;
const ARRAY = 5;
const MAP = 6;

/** The kind of value that a first byte starts, and the bytes up to where its content starts. */
const KIND = new Uint8Array(256);
const HEADER = new Uint8Array(256);
/** The low bits of a first byte that carry the length; 0 where the length follows it. */
const LENGTH_BITS = new Uint8Array(256);

function define(first: number, last: number, kind: number, header: number, lengthBits: number): void {
  KIND.fill(kind, first, last + 1);
  HEADER.fill(header, first, last + 1);
  LENGTH_BITS.fill(lengthBits, first, last + 1);
}

define(0x00, 0x7f, SCALAR, 1, 0); // positive fixint
define(0x80, 0x8f, MAP, 1, 0x0f);
define(0x90, 0x9f, ARRAY, 1, 0x0f);
define(0xa0, 0xbf, STRING, 1, 0x1f);
define(0xc0, 0xc0, SCALAR, 1, 0); // nil
define(0xc2, 0xc3, SCALAR, 1, 0); // false, true
define(0xc4, 0xc4, BINARY, 2, 0);
define(0xc5, 0xc5, BINARY, 3, 0);
define(0xc6, 0xc6, BINARY, 5, 0);
define(0xcb, 0xcb, SCALAR, 9, 0); // float 64
define(0xcc, 0xcc, SCALAR, 2, 0); // uint 8
define(0xcd, 0xcd, SCALAR, 3, 0); // uint 16
define(0xce, 0xce, SCALAR, 5, 0); // uint 32
define(0xcf, 0xcf, INT64, 9, 0); // uint 64
define(0xd0, 0xd0, SCALAR, 2, 0); // int 8
define(0xd1, 0xd1, SCALAR, 3, 0); // int 16
define(0xd2, 0xd2, SCALAR, 5, 0); // int 32
define(0xd3, 0xd3, INT64, 9, 0); // int 64
define(0xd9, 0xd9, STRING, 2, 0);
define(0xda, 0xda, STRING, 3, 0);
define(0xdb, 0xdb, STRING, 5, 0);
define(0xdc, 0xdc, ARRAY, 3, 0);
define(0xdd, 0xdd, ARRAY, 5, 0);
define(0xde, 0xde, MAP, 3, 0);
define(0xdf, 0xdf, MAP, 5, 0);
define(0xe0, 0xff, SCALAR, 1, 0); // negative fixint

// A scan is synchronous and never re-entered, so one set of stacks serves them all.
/** Values still to come in the containers around the current one. */
const remainingAt = new Uint32Array(SCAN_DEPTH_MAX + 1);
/** Keys seen so far in each open map, -1 for an array. */
const keysAt = new Int32Array(SCAN_DEPTH_MAX + 1);
/** Where those keys start and end. */
const keyStart = new Uint32Array((SCAN_DEPTH_MAX + 1) * SCAN_MAP_KEYS_MAX);
const keyEnd = new Uint32Array((SCAN_DEPTH_MAX + 1) * SCAN_MAP_KEYS_MAX);

/** Undefined when the bytes are one complete message inside the limits. Never throws. */
export function scanMsgpack(bytes: Uint8Array, limits: ScanLimits): ScanFault | undefined {
  const end = bytes.length;
  if (end > limits.maxBytes) return { code: "too_large", at: limits.maxBytes };
  const maxDepth = Math.min(limits.maxDepth, SCAN_DEPTH_MAX);
  let at = 0;
  let items = 1;
  let depth = 0;
  let remaining = 1;
  keysAt[0] = -1;
  for (;;) {
    while (remaining === 0) {
      if (depth === 0) return at === end ? undefined : { code: "trailing_bytes", at };
      depth--;
      remaining = remainingAt[depth] ?? 0;
    }
    if (at >= end) return { code: "truncated", at };
    const token = bytes[at] ?? 0;
    const kind = KIND[token] ?? REFUSED;
    // A map counts keys and values, so an even rest means that a key is next.
    const isKey = (keysAt[depth] ?? -1) >= 0 && remaining % 2 === 0;
    if (isKey && kind !== STRING) return { code: "key_not_allowed", at };
    remaining--;
    const content = at + (HEADER[token] ?? 1);
    if (content > end) return { code: "truncated", at };

    if (kind === SCALAR) {
      at = content;
    } else if (kind === STRING || kind === BINARY) {
      const next = content + lengthOf(bytes, at, token, content);
      const code =
        bytesFault(bytes, kind, content, next, limits) ??
        (isKey ? keyFault(bytes, depth, content, next) : undefined);
      if (code !== undefined) return { code, at };
      at = next;
    } else if (kind === ARRAY || kind === MAP) {
      const values = lengthOf(bytes, at, token, content) * (kind === MAP ? 2 : 1);
      const code = containerFault(kind, values, end - content, limits);
      if (code !== undefined) return { code, at };
      items += values;
      if (items > limits.maxItems) return { code: "too_many_items", at };
      if (depth === maxDepth) return { code: "too_deep", at };
      remainingAt[depth] = remaining;
      depth++;
      remaining = values;
      keysAt[depth] = kind === MAP ? 0 : -1;
      at = content;
    } else {
      if (kind !== INT64) return { code: "type_not_allowed", at };
      if (!isSafeInt64(bytes, at, token)) return { code: "unsafe_integer", at };
      at = content;
    }
  }
}

function bytesFault(
  bytes: Uint8Array,
  kind: number,
  start: number,
  end: number,
  limits: ScanLimits,
): ScanFault["code"] | undefined {
  if (end > bytes.length) return "truncated";
  if (end - start > (kind === STRING ? limits.maxStringBytes : limits.maxBinaryBytes)) return "too_long";
  return kind === STRING && !isUtf8(bytes, start, end) ? "not_utf8" : undefined;
}

/** Each value takes at least one byte, so a count above the bytes that are left is a lie. */
function containerFault(
  kind: number,
  values: number,
  bytesLeft: number,
  limits: ScanLimits,
): ScanFault["code"] | undefined {
  if (kind === MAP && limits.maps === "refused") return "type_not_allowed";
  if (values > bytesLeft) return "truncated";
  return kind === MAP && values > SCAN_MAP_KEYS_MAX * 2 ? "too_many_keys" : undefined;
}

function lengthOf(bytes: Uint8Array, at: number, token: number, content: number): number {
  const bits = LENGTH_BITS[token] ?? 0;
  if (bits !== 0) return token & bits;
  let length = 0;
  for (let i = at + 1; i < content; i++) length = length * 256 + (bytes[i] ?? 0);
  return length;
}

/** A larger integer would come out of the decoder as another one. */
function isSafeInt64(bytes: Uint8Array, at: number, token: number): boolean {
  const high = uint32(bytes, at + 1);
  const low = uint32(bytes, at + 5);
  if (high < 0x20_0000) return true;
  // The smallest safe one is -(2^53 - 1): its upper half is 0xffe00000 and its lower half is not zero.
  return token === 0xd3 && (high > 0xffe0_0000 || (high === 0xffe0_0000 && low > 0));
}

function uint32(bytes: Uint8Array, at: number): number {
  return (
    (bytes[at] ?? 0) * 0x100_0000 +
    (((bytes[at + 1] ?? 0) << 16) | ((bytes[at + 2] ?? 0) << 8) | (bytes[at + 3] ?? 0))
  );
}

/** Notes the key for the comparison with those that follow it in the same map. */
function keyFault(
  bytes: Uint8Array,
  depth: number,
  start: number,
  end: number,
): ScanFault["code"] | undefined {
  const keys = keysAt[depth] ?? 0;
  const base = depth * SCAN_MAP_KEYS_MAX;
  for (let i = base; i < base + keys; i++) {
    if (sameBytes(bytes, keyStart[i] ?? 0, keyEnd[i] ?? 0, start, end)) return "duplicate_key";
  }
  if (isProto(bytes, start, end)) return "key_not_allowed";
  keyStart[base + keys] = start;
  keyEnd[base + keys] = end;
  keysAt[depth] = keys + 1;
  return undefined;
}

function sameBytes(bytes: Uint8Array, a: number, aEnd: number, b: number, bEnd: number): boolean {
  const length = aEnd - a;
  if (length !== bEnd - b) return false;
  for (let i = 0; i < length; i++) if (bytes[a + i] !== bytes[b + i]) return false;
  return true;
}

const PROTO = [0x5f, 0x5f, 0x70, 0x72, 0x6f, 0x74, 0x6f, 0x5f, 0x5f];

/** The decoder renames `__proto__`, so it would come out as another key. */
function isProto(bytes: Uint8Array, start: number, end: number): boolean {
  return end - start === PROTO.length && PROTO.every((byte, i) => bytes[start + i] === byte);
}

/** The well-formed byte sequences of RFC 3629, section 4: no overlong forms, no surrogates, at most U+10FFFF. */
function isUtf8(bytes: Uint8Array, start: number, end: number): boolean {
  let at = start;
  while (at < end) {
    const first = bytes[at] ?? 0;
    at++;
    if (first < 0x80) continue;
    let low = 0x80;
    let high = 0xbf;
    let more = 1;
    if (first >= 0xc2 && first <= 0xdf) more = 1;
    else if (first >= 0xe0 && first <= 0xef) {
      more = 2;
      if (first === 0xe0) low = 0xa0;
      if (first === 0xed) high = 0x9f;
    } else if (first >= 0xf0 && first <= 0xf4) {
      more = 3;
      if (first === 0xf0) low = 0x90;
      if (first === 0xf4) high = 0x8f;
    } else return false;
    if (at + more > end) return false;
    const second = bytes[at] ?? 0;
    if (second < low || second > high) return false;
    for (let i = 1; i < more; i++) if (((bytes[at + i] ?? 0) & 0xc0) !== 0x80) return false;
    at += more;
  }
  return true;
}
