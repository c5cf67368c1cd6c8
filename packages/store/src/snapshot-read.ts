/** Reads a snapshot back, from a file that anyone may have touched: everything is checked. */
import {
  compareVersions,
  covers,
  decodeUtf8,
  type Hashing,
  isHlcTime,
  isNodeId,
  type KeyRecord,
  keyFault,
} from "@hearsay/core";
import { Codec } from "./codec.ts";
import { StoreError } from "./faults.ts";
import { equalBytes, recordKey } from "./keyspace.ts";
import {
  FRAME_CRC_BYTES,
  FRAME_ENTRIES,
  FRAME_HEADER_BYTES,
  FRAME_MAX_BYTES,
  FRAME_TARGET_BYTES,
  FRAME_TRAILER,
  FrameChain,
  HASH_BYTES,
  SNAPSHOT_MAGIC,
  TRAILER_BYTES,
} from "./snapshot-format.ts";

/** A key may come again: the later item counts. `removed`: the key had a record earlier in the stream, and has none. */
export type SnapshotItem =
  | { readonly kind: "record"; readonly key: string; readonly record: KeyRecord }
  | { readonly kind: "removed"; readonly key: string }
  /** Always the last one: the stream is whole. `damaged` records of its store are not in it. */
  | { readonly kind: "end"; readonly entries: number; readonly damaged: number };

/**
 * Items of a snapshot, each frame checked before any of it is given. Take nothing for final before the `end`.
 * However it ends, the source is told: a file that nobody reads on stays open, and keeps its room on the disk.
 * @throws StoreError `snapshot_truncated`, `snapshot_corrupt`
 */
export async function* readSnapshot(
  source: AsyncIterable<Uint8Array>,
  hashing: Hashing,
): AsyncGenerator<SnapshotItem> {
  const input = new ByteQueue(source);
  try {
    yield* readItems(input, hashing);
  } finally {
    await input.close();
  }
}

async function* readItems(input: ByteQueue, hashing: Hashing): AsyncGenerator<SnapshotItem> {
  const chain = new FrameChain(hashing);
  const codec = new Codec(hashing);
  const magic = await input.take(SNAPSHOT_MAGIC.length);
  if (!equalBytes(magic, SNAPSHOT_MAGIC)) throw corrupt("it does not start as a snapshot of this format");
  for (;;) {
    const { type, linked, payload } = await readFrame(input, hashing);
    if (type === FRAME_TRAILER) {
      const damaged = checkTrailer(payload, chain);
      if (!(await input.ended())) throw corrupt("something follows the trailer");
      yield { kind: "end", entries: chain.entries, damaged };
      return;
    }
    if (type !== FRAME_ENTRIES) throw corrupt(`frame type ${type}`);
    const items = parseEntries(payload, codec);
    chain.addLinked(linked, items.length);
    yield* items;
  }
}

interface Frame {
  readonly type: number;
  /** The whole frame, behind what its chain's hash takes in before it. */
  readonly linked: Uint8Array;
  readonly payload: Uint8Array;
}

async function readFrame(input: ByteQueue, hashing: Hashing): Promise<Frame> {
  const head = await input.take(FRAME_HEADER_BYTES);
  const length = viewOf(head).getUint32(1);
  if (length > FRAME_MAX_BYTES) throw corrupt(`a frame of ${length} bytes`);
  const lead = new Uint8Array(HASH_BYTES + FRAME_HEADER_BYTES);
  lead.set(head, HASH_BYTES);
  const linked = await input.take(length + FRAME_CRC_BYTES, lead);
  const frame = linked.subarray(HASH_BYTES);
  const end = FRAME_HEADER_BYTES + length;
  if (hashing.crc32(frame.subarray(0, end)) !== viewOf(frame).getUint32(end))
    throw corrupt("a checksum fails");
  return { type: frame[0] ?? 0, linked, payload: frame.subarray(FRAME_HEADER_BYTES, end) };
}

function checkTrailer(payload: Uint8Array, chain: FrameChain): number {
  if (payload.length !== TRAILER_BYTES) throw corrupt("the trailer has a wrong length");
  const damaged = viewOf(payload).getFloat64(16);
  if (!equalBytes(payload, chain.trailer(damaged))) throw corrupt("frames are missing or out of order");
  return damaged;
}

function parseEntries(payload: Uint8Array, codec: Codec): SnapshotItem[] {
  const items: SnapshotItem[] = [];
  const view = viewOf(payload);
  let at = 0;
  try {
    while (at < payload.length) {
      if (at >= FRAME_TARGET_BYTES) throw corrupt("a frame is larger than its entries make it");
      const keyLength = view.getUint16(at);
      const keyBytes = payload.slice(at + 2, at + 2 + keyLength);
      at += 2 + keyLength;
      const valueLength = view.getUint32(at);
      at += 4;
      if (at + valueLength > payload.length) throw new RangeError("beyond the end");
      items.push(parseItem(keyBytes, valueAt(payload, at, valueLength), codec));
      at += valueLength;
    }
  } catch (error) {
    if (error instanceof RangeError) throw corrupt("a frame's lengths do not fit");
    throw error;
  }
  return items;
}

/** A copy, as a record must not keep a frame of many alive; of an entry that is most of its frame, a view. */
function valueAt(payload: Uint8Array, at: number, length: number): Uint8Array {
  const isMost = length > FRAME_TARGET_BYTES;
  return isMost ? payload.subarray(at, at + length) : payload.slice(at, at + length);
}

function parseItem(keyBytes: Uint8Array, value: Uint8Array, codec: Codec): SnapshotItem {
  const key = decodeUtf8(keyBytes);
  if (key === undefined || keyFault(key) !== undefined) throw corrupt("a key that is none");
  if (value.length === 0) return { kind: "removed", key };
  const decoded = codec.decodeRecord(recordKey(keyBytes), value);
  if (decoded === undefined) throw corrupt(`the record of ${JSON.stringify(key)} cannot be read`);
  if (!isRecord(decoded.record)) throw corrupt(`the record of ${JSON.stringify(key)} contradicts itself`);
  return { kind: "record", key, record: decoded.record };
}

/** What core's functions take for granted of a record. */
function isRecord({ context, siblings }: KeyRecord): boolean {
  for (const [node, time] of context) if (!isNodeId(node) || !isHlcTime(time)) return false;
  return siblings.every((sibling, i) => {
    const older = siblings[i + 1];
    if (older !== undefined && compareVersions(sibling.version, older.version) <= 0) return false;
    if (sibling.kind === "value" && sibling.expiresAtMs !== null && !(sibling.expiresAtMs >= 0)) return false;
    return covers(context, sibling.version);
  });
}

/** What is taken on the word of a length alone; most frames have less. */
const FIRST_BYTES = 1024 * 1024;

function resized(bytes: Uint8Array, length: number): Uint8Array {
  const larger = new Uint8Array(length);
  larger.set(bytes);
  return larger;
}

/** Bytes of an uneven stream in the portions that are asked for. */
class ByteQueue {
  readonly #source: AsyncIterator<Uint8Array>;
  #chunk: Uint8Array = new Uint8Array(0);
  #at: number = 0;

  constructor(source: AsyncIterable<Uint8Array>) {
    this.#source = source[Symbol.asyncIterator]();
  }

  /** @param lead what the bytes are put behind */
  async take(length: number, lead: Uint8Array = new Uint8Array(0)): Promise<Uint8Array> {
    const whole = lead.length + length;
    // Grown as bytes arrive: the length may be a lie.
    let bytes = resized(lead, Math.min(whole, lead.length + FIRST_BYTES));
    let filled = lead.length;
    while (filled < whole) {
      if (await this.ended()) throw new StoreError({ code: "snapshot_truncated" });
      const part = this.#chunk.subarray(this.#at, this.#at + whole - filled);
      this.#at += part.length;
      const needed = filled + part.length;
      if (needed > bytes.length) bytes = resized(bytes, Math.min(whole, Math.max(needed, 2 * bytes.length)));
      bytes.set(part, filled);
      filled = needed;
    }
    return bytes;
  }

  async ended(): Promise<boolean> {
    while (this.#at === this.#chunk.length) {
      const { value, done } = await this.#source.next();
      if (done === true) return true;
      this.#chunk = value;
      this.#at = 0;
    }
    return false;
  }

  async close(): Promise<void> {
    await this.#source.return?.();
  }
}

function viewOf(bytes: Uint8Array): DataView {
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}

function corrupt(detail: string): StoreError {
  return new StoreError({ code: "snapshot_corrupt", detail });
}
