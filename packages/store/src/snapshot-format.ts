/**
 * The bytes of a snapshot: `HSNAP` and a format byte, then frames of type (1 byte), payload length (4), payload,
 * CRC-32 of all that (4). The trailer carries how many frames and entries came before it, how many records of the
 * store are damaged and therefore missing, and a SHA-256 chained over the frames.
 */
import type { Hashing } from "@hearsay/core";

export const SNAPSHOT_MAGIC: Uint8Array = Uint8Array.of(0x48, 0x53, 0x4e, 0x41, 0x50, 1);
export const FRAME_ENTRIES = 1;
export const FRAME_TRAILER = 2;
export const FRAME_HEADER_BYTES = 5;
export const FRAME_CRC_BYTES = 4;
/** A frame is closed when its entries have reached this size, so no entry begins behind it: one that does is refused. */
export const FRAME_TARGET_BYTES: number = 64 * 1024;
/** Larger frames are refused. A record is not split, so none may be larger than fits. */
export const FRAME_MAX_BYTES: number = 256 * 1024 * 1024;
/** For the values of one record: a frame has its context, keys, content types and the records before it besides. */
export const RECORD_VALUES_MAX_BYTES: number = FRAME_MAX_BYTES - 2 * 1024 * 1024;
export const HASH_BYTES: number = 32;
export const TRAILER_BYTES: number = 8 + 8 + 8 + HASH_BYTES;

/** Covers every frame and their order: each hash takes in the one before. */
export class FrameChain {
  readonly #hashing: Hashing;
  #link: Uint8Array = new Uint8Array(HASH_BYTES);
  frames: number = 0;
  entries: number = 0;

  constructor(hashing: Hashing) {
    this.#hashing = hashing;
  }

  add(frame: Uint8Array, entries: number): void {
    const linked = new Uint8Array(HASH_BYTES + frame.length);
    linked.set(frame, HASH_BYTES);
    this.addLinked(linked, entries);
  }

  /** @param linked the frame behind `HASH_BYTES` that are free, as frames may be too large to be copied for a hash */
  addLinked(linked: Uint8Array, entries: number): void {
    linked.set(this.#link);
    this.#link = this.#hashing.sha256(linked);
    this.frames += 1;
    this.entries += entries;
  }

  trailer(damaged: number): Uint8Array {
    const payload = new Uint8Array(TRAILER_BYTES);
    const view = new DataView(payload.buffer);
    view.setFloat64(0, this.frames);
    view.setFloat64(8, this.entries);
    view.setFloat64(16, damaged);
    payload.set(this.#link, 24);
    return payload;
  }
}

export function sealFrame(hashing: Hashing, type: number, payload: Uint8Array): Uint8Array {
  const frame = new Uint8Array(FRAME_HEADER_BYTES + payload.length + FRAME_CRC_BYTES);
  const view = new DataView(frame.buffer);
  frame[0] = type;
  view.setUint32(1, payload.length);
  frame.set(payload, FRAME_HEADER_BYTES);
  const end = FRAME_HEADER_BYTES + payload.length;
  view.setUint32(end, hashing.crc32(frame.subarray(0, end)));
  return frame;
}

export function concatenate(parts: readonly Uint8Array[], length: number): Uint8Array {
  const whole = new Uint8Array(length);
  let at = 0;
  for (const part of parts) {
    whole.set(part, at);
    at += part.length;
  }
  return whole;
}
