/**
 * Batches: in MessagePack maps, `str` and `bin` and nothing else, about three times smaller and faster than JSON with
 * base64, and it needs no library.
 */
import { type BatchRequest, MEDIA_TYPES } from "@hearsay/api";
import { MsgpackWriter } from "./msgpack-writer.ts";
import { mustBeWellFormed } from "./path.ts";

/** What a batch does, in order; values are bytes, text is stored as UTF-8. */
export type Operation =
  | {
      readonly op: "put";
      readonly key: string;
      readonly value: Uint8Array | string;
      readonly contentType?: string;
      /** A number and its unit: `30s`. */
      readonly ttl?: string;
      readonly context?: string;
    }
  | { readonly op: "delete"; readonly key: string; readonly context?: string }
  | { readonly op: "get"; readonly key: string };

/** Operations that are encoded as they are added: whoever makes many has to keep none of them. */
export interface BatchDraft {
  readonly mediaType: string;
  /** Operations so far. */
  readonly size: number;
  /** Those of them that read. */
  readonly reads: number;
  /**
   * What the operation refers to may be changed as soon as this returns.
   * @throws HearsayError `bad_key` for a key that is no well-formed text; the draft is as before
   */
  add(operation: Operation): void;
  /** To be called once, after the last operation. */
  body(): Uint8Array;
}

export class JsonDraft implements BatchDraft {
  readonly mediaType: string = MEDIA_TYPES.json;
  readonly #operations: BatchRequest["operations"][number][] = [];
  #reads = 0;

  get size(): number {
    return this.#operations.length;
  }

  get reads(): number {
    return this.#reads;
  }

  add(operation: Operation): void {
    mustBeWellFormed(operation.key);
    if (operation.op === "get") this.#reads += 1;
    this.#operations.push(
      operation.op === "put" ? { ...operation, value: toBase64(toBytes(operation.value)) } : { ...operation },
    );
  }

  body(): Uint8Array {
    const request: BatchRequest = { operations: this.#operations };
    return encoder.encode(JSON.stringify(request));
  }
}

/** What a draft has room for at first: more than most batches, and too little to matter. */
const DRAFT_BYTES = 16 * 1024;

export class MsgpackDraft implements BatchDraft {
  readonly mediaType: string = MEDIA_TYPES.msgpack;
  readonly #writer: MsgpackWriter = new MsgpackWriter(DRAFT_BYTES);
  readonly #begun: number;
  #size = 0;
  #reads = 0;

  constructor() {
    this.#writer.mapHeader(1);
    this.#writer.text("operations");
    this.#begun = this.#writer.beginArray();
  }

  get size(): number {
    return this.#size;
  }

  get reads(): number {
    return this.#reads;
  }

  add(operation: Operation): void {
    mustBeWellFormed(operation.key);
    const writer = this.#writer;
    this.#size += 1;
    if (operation.op === "get") this.#reads += 1;
    const context = operation.op === "get" ? undefined : operation.context;
    const { value, contentType, ttl } = operation.op === "put" ? operation : NOTHING;
    let fields = 2;
    if (value !== undefined) fields += 1;
    if (contentType !== undefined) fields += 1;
    if (ttl !== undefined) fields += 1;
    if (context !== undefined) fields += 1;
    writer.mapHeader(fields);
    writer.field("op", operation.op);
    writer.field("key", operation.key);
    if (value !== undefined) {
      writer.text("value");
      writer.bin(toBytes(value));
    }
    writer.field("contentType", contentType);
    writer.field("ttl", ttl);
    writer.field("context", context);
  }

  body(): Uint8Array {
    this.#writer.endArray(this.#begun, this.#size);
    return this.#writer.bytes();
  }
}

const NOTHING = { value: undefined, contentType: undefined, ttl: undefined };

const encoder = new TextEncoder();

export function toBytes(value: Uint8Array | string): Uint8Array {
  return typeof value === "string" ? encoder.encode(value) : value;
}

/** As many characters as one call of `String.fromCharCode` takes safely. */
const CHUNK = 8192;

function toBase64(bytes: Uint8Array): string {
  let binary = "";
  for (let i = 0; i < bytes.length; i += CHUNK) {
    binary += String.fromCharCode(...bytes.subarray(i, i + CHUNK));
  }
  return btoa(binary);
}

/** @throws when the text is not base64 */
export function fromBase64(text: string): Uint8Array<ArrayBuffer> {
  const binary = atob(text);
  const bytes = new Uint8Array(binary.length);
  for (let i = 0; i < binary.length; i++) bytes[i] = binary.charCodeAt(i);
  return bytes;
}
