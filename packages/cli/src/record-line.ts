/**
 * The line format of export and import: one JSON object a line with `key`, the value as `text` or as base64 in
 * `value`, and optionally `contentType` and `expiresAt` (ISO 8601, with Z or an offset). The listing of a node has the same fields and
 * a few more that say nothing about content (`version`, `size`, `conflicts`), so it can be imported as it is.
 */
import type { ListItem } from "@hearsay/api";
import type { Operation } from "@hearsay/client";

export type PutOperation = Extract<Operation, { readonly op: "put" }>;

export interface RecordLine {
  readonly key: string;
  readonly value: Uint8Array;
  readonly contentType: string | undefined;
  /** Milliseconds since the epoch; undefined: it stays. */
  readonly expiresAtMs: number | undefined;
}

const FIELDS = new Set(["key", "text", "value", "contentType", "expiresAt", "version", "size", "conflicts"]);
const KEY_MAX_BYTES = 1024;

/** The record of a line, or what is wrong with it. */
export function parseRecordLine(line: string): RecordLine | string {
  let parsed: unknown;
  try {
    parsed = JSON.parse(line);
  } catch {
    return "it is not JSON";
  }
  if (!isObject(parsed)) return "it is no JSON object";
  for (const name in parsed) if (!FIELDS.has(name)) return `the field ${JSON.stringify(name)} is not known`;
  const { key, contentType, text, value: base64, expiresAt } = parsed;
  const fault = keyFault(key);
  if (fault !== undefined || typeof key !== "string") return fault ?? "";
  if (contentType !== undefined && typeof contentType !== "string") return "contentType is no text";
  const value = parseValue(text, base64);
  if (typeof value === "string") return value;
  const expiry = parseExpiry(expiresAt);
  if (typeof expiry === "string") return expiry;
  return { key, value, contentType, expiresAtMs: expiry };
}

interface Fields {
  readonly [name: string]: unknown;
  readonly key?: unknown;
  readonly text?: unknown;
  readonly value?: unknown;
  readonly contentType?: unknown;
  readonly expiresAt?: unknown;
}

function isObject(parsed: unknown): parsed is Fields {
  return typeof parsed === "object" && parsed !== null && !Array.isArray(parsed);
}

function keyFault(key: unknown): string | undefined {
  if (key === undefined) return "it has no key";
  if (typeof key !== "string") return "key is no text";
  if (key === "") return "key is empty";
  if (!key.isWellFormed()) return "key is no well-formed text";
  const tooLong = key.length * 3 > KEY_MAX_BYTES && Buffer.byteLength(key) > KEY_MAX_BYTES;
  return tooLong ? `key has more than ${KEY_MAX_BYTES} bytes` : undefined;
}

function parseValue(text: unknown, base64: unknown): Uint8Array | string {
  if (text !== undefined && base64 !== undefined) return "it has both text and value";
  if (text !== undefined) {
    if (typeof text !== "string" || !text.isWellFormed()) return "text is no well-formed text";
    return Buffer.from(text, "utf8");
  }
  if (typeof base64 !== "string")
    return base64 === undefined ? "it has no text or value" : "value is no text";
  const bytes = Buffer.from(base64, "base64");
  // Node skips what is no base64; then the length gives it away.
  const padding = base64.endsWith("==") ? 2 : base64.endsWith("=") ? 1 : 0;
  const whole = base64.length % 4 === 0 && bytes.length === (base64.length / 4) * 3 - padding;
  return whole ? bytes : "value is no base64";
}

/** Date.parse takes more, and a time without an offset for one of this machine's zone. */
const ISO_TIME = /^\d{4}-\d\d-\d\dT\d\d:\d\d(:\d\d(\.\d+)?)?(Z|[+-]\d\d:\d\d)$/;

function parseExpiry(expiresAt: unknown): number | undefined | string {
  if (expiresAt === undefined) return undefined;
  const ms = typeof expiresAt === "string" && ISO_TIME.test(expiresAt) ? Date.parse(expiresAt) : Number.NaN;
  return Number.isNaN(ms) ? "expiresAt is no ISO 8601 time with Z or an offset" : ms;
}

const strictUtf8 = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

/** The line of a listed entry, without a line feed. */
export function formatRecordLine(item: ListItem): string {
  const { key, version, contentType, expiresAt, value = "" } = item;
  return JSON.stringify({ key, ...textOrBase64(value), contentType, expiresAt, version });
}

function textOrBase64(value: string): { readonly text: string } | { readonly value: string } {
  try {
    return { text: strictUtf8.decode(Buffer.from(value, "base64")) };
  } catch {
    return { value };
  }
}
