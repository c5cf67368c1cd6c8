import type { KeyRecord } from "@hearsay/core";
import type { Codec, EncodedPut } from "./codec.ts";
import type { Stored } from "./record-cache.ts";
import type { Summary } from "./summary.ts";

/**
 * A record that waits for its commit, as it will be stored. Most are not read before that, so it is decoded only when
 * somebody asks: what lives until a commit costs the garbage collector more than what dies at once.
 */
export class PendingRecord implements Stored {
  readonly kind = "record";
  readonly revision: number;
  readonly bucket: number;
  readonly value: Uint8Array;
  readonly summary: Summary;
  readonly #codec: Codec;
  #record: KeyRecord | undefined;

  constructor(codec: Codec, encoded: EncodedPut, at: { readonly revision: number; readonly bucket: number }) {
    this.revision = at.revision;
    this.bucket = at.bucket;
    this.value = encoded.value;
    this.summary = encoded.summary;
    this.#codec = codec;
  }

  get record(): KeyRecord {
    this.#record ??= this.#codec.decodeTrusted(this.value)?.record;
    if (this.#record === undefined) throw new TypeError("a record that was just encoded does not decode");
    return this.#record;
  }
}
