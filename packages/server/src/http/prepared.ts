/**
 * Answers to reads, prepared once for each record: header texts that are flat and need no formatting, and a
 * small value as the text that goes into one write with them. What is prepared depends on the record alone.
 *
 * Bound: two generations, each of at most `maxEntries` records with values of `maxBytes` together, the older one dropped when
 * the younger is full. The store's cache may have let go of the records long before.
 */
import { HEADERS } from "@hearsay/api";
import { contextAfterRead, formatVersion, hlcToMs, type KeyRecord, type Value } from "@hearsay/core";
import { contextText, isoTime } from "./render.ts";
import type { Stamp } from "./stamp.ts";

export interface PreparedValue {
  readonly etag: string;
  readonly modifiedMs: number;
  /** Name, value, name, value; the stamp is last and is renewed in place. */
  readonly headers: string[];
  /** A text stands for bytes in Latin-1. */
  readonly body: Uint8Array | string;
}

/** Headers in front of these describe a body; a 304 has none (RFC 9110, section 15.4.5). */
export const BODY_HEADERS = 4;

/**
 * Node sends a text in one write together with the head, and bytes in a costly gathered one. For large bodies
 * copying would cost more than that saves.
 */
const TEXT_MAX_BYTES = 1024;

/** What no browser runs scripts of, however it is asked for. */
const INERT =
  /^(?:text\/(?:plain|csv|yaml)|application\/(?:octet-stream|json|x-ndjson|yaml|msgpack))(?:;|$)/i;

/**
 * A value may be a page, which a browser would run as one of this node's own, with the right to write here. So it is shown
 * without scripts and as of no origin (Content Security Policy 3, section 6.4.2), and a type is taken as it stands.
 */
const CONFINED = ["Content-Security-Policy", "sandbox", "X-Content-Type-Options", "nosniff"];

const PREPARED_MAX_ENTRIES = 16_384;
const PREPARED_MAX_BYTES = 16 * 1024 * 1024;
/** Where sending costs far more than preparing, nothing is kept. */
const KEPT_RECORD_MAX_BYTES = 64 * 1024;

export class PreparedValues {
  readonly #stamp: Stamp;
  readonly #maxEntries: number;
  readonly #maxBytes: number;
  #young: Map<KeyRecord, PreparedValue> = new Map();
  #youngBytes = 0;
  #old: Map<KeyRecord, PreparedValue> = new Map();

  constructor(
    stamp: Stamp,
    maxEntries: number = PREPARED_MAX_ENTRIES,
    maxBytes: number = PREPARED_MAX_BYTES,
  ) {
    this.#stamp = stamp;
    this.#maxEntries = maxEntries;
    this.#maxBytes = maxBytes;
  }

  get size(): number {
    return this.#young.size + this.#old.size;
  }

  /** @param value the record's winner */
  of(record: KeyRecord, value: Value): PreparedValue {
    const young = this.#young.get(record);
    if (young !== undefined) return young;
    const prepared = this.#old.get(record) ?? this.#prepare(record, value);
    const bytes = valueBytes(record);
    if (bytes > KEPT_RECORD_MAX_BYTES) return prepared;
    if (this.#young.size >= this.#maxEntries || this.#youngBytes + bytes > this.#maxBytes) {
      this.#old = this.#young;
      this.#young = new Map();
      this.#youngBytes = 0;
    }
    this.#young.set(record, prepared);
    this.#youngBytes += bytes;
    return prepared;
  }

  #prepare(record: KeyRecord, value: Value): PreparedValue {
    const { version, bytes } = value;
    const versionText = formatVersion(version);
    const etag = flat(`"${versionText}"`);
    const modifiedMs = hlcToMs(version.time);
    const headers = [
      "Content-Type",
      value.contentType,
      "Content-Length",
      String(bytes.length),
      "ETag",
      etag,
      "Last-Modified",
      this.#stamp.httpDate(modifiedMs),
      HEADERS.context,
      flat(contextText(contextAfterRead(record), version, versionText)),
    ];
    if (!INERT.test(value.contentType)) headers.push(...CONFINED);
    if (record.siblings.length > 1) headers.push(HEADERS.conflicts, String(record.siblings.length - 1));
    if (value.expiresAtMs !== null) headers.push(HEADERS.expires, isoTime(value.expiresAtMs));
    this.#stamp.append(headers);
    const body = bytes.length <= TEXT_MAX_BYTES ? latin1(bytes) : bytes;
    return { etag, modifiedMs, headers, body };
  }
}

function valueBytes({ siblings }: KeyRecord): number {
  let bytes = 0;
  for (const sibling of siblings) if (sibling.kind === "value") bytes += sibling.bytes.length;
  return bytes;
}

function latin1(bytes: Uint8Array): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).toString("latin1");
}

/** Concatenated texts are trees that every use would walk; a copy through bytes is not. All of it is ASCII. */
function flat(text: string): string {
  return Buffer.from(text, "latin1").toString("latin1");
}
