/**
 * Values of the database: what they look like, and the checksum that ends each of them, a CRC-32 over database
 * key and content. Shapes are fixed and hand-written; `DataView` refuses every length that leads beyond the end.
 */
import type { Context, Hashing, HlcTime, KeyRecord, NodeId, Sibling, Version } from "@hearsay/core";
import { CRC_BYTES, Reader, Writer } from "./cursor.ts";
import type { Ghost, GhostReason, Keeping } from "./ghosts.ts";
import { SPACE } from "./keyspace.ts";
import {
  EXPIRING_VALUE,
  nodeAt,
  nodesOf,
  nodesSize,
  readNodes,
  readSiblings,
  readSummary,
  TOMBSTONE,
  VALUE,
  writeNodes,
} from "./siblings.ts";
import { type Summary, summarize } from "./summary.ts";
import { TextMemo } from "./texts.ts";

const FORMAT = 1;
const INDEX_KEY_PREFIX = 3;
const NO_CONTEXT: Context = new Map();

const SUMMARY_TOMBSTONE = 1;
const SUMMARY_PURGEABLE = 2;

/** By the byte that stands for each. */
const GHOST_REASONS: readonly GhostReason[] = ["refused", "dropped"];

export interface DecodedRecord {
  readonly record: KeyRecord;
  readonly revision: number;
}

/** A record as stored, with its index entry. */
export interface EncodedPut {
  readonly databaseKey: Uint8Array;
  readonly value: Uint8Array;
  readonly summary: Summary;
  readonly indexKey: Uint8Array;
  readonly indexValue: Uint8Array;
}

/** Not to be shared between threads. */
export class Codec {
  readonly #crc32: Hashing["crc32"];
  readonly #texts: TextMemo = new TextMemo();
  readonly #writer: Writer = new Writer(this.#texts);

  constructor(hashing: Hashing) {
    this.#crc32 = (bytes, seed) => hashing.crc32(bytes, seed);
  }

  /** Everything a put writes in one buffer: allocating several small ones costs more than encoding. */
  encodePut(key: Uint8Array, bucket: number, record: KeyRecord, revision: number): EncodedPut {
    const nodes = nodesOf(record.context, record.siblings);
    const recordBytes = 1 + key.length + this.#recordSize(record, nodes);
    const summary = summarize(record, recordBytes - 1);
    const indexBytes = INDEX_KEY_PREFIX + key.length + summarySize(summary);
    const writer = this.#writer;
    writer.begin(recordBytes + indexBytes);
    const start = writer.at;
    const keyEnd = this.#writeRecord(key, record, { nodes, revision });
    const indexStart = writer.at;
    writer.u8(SPACE.index);
    writer.u16(bucket);
    writer.raw(key);
    const indexKeyEnd = writer.at;
    this.#writeSummary(summary);
    this.#sealFrom(indexStart);
    return {
      databaseKey: writer.view(start, keyEnd),
      value: writer.view(keyEnd, indexStart),
      summary,
      indexKey: writer.view(indexStart, indexKeyEnd),
      indexValue: writer.view(indexKeyEnd),
    };
  }

  encodeRecord(key: Uint8Array, record: KeyRecord, revision: number): Uint8Array {
    const nodes = nodesOf(record.context, record.siblings);
    this.#writer.begin(1 + key.length + this.#recordSize(record, nodes));
    return this.#writer.view(this.#writeRecord(key, record, { nodes, revision }));
  }

  /** Undefined when the value is damaged. Values in the answer are views of the given bytes. */
  decodeRecord(databaseKey: Uint8Array, value: Uint8Array): DecodedRecord | undefined {
    return this.#open(databaseKey, value, readRecord);
  }

  /** The same for what this process has encoded itself and kept in memory. */
  decodeTrusted(value: Uint8Array): DecodedRecord | undefined {
    return readRecord(new Reader(value, this.#texts));
  }

  /** What the index should say of a stored record. Nothing but that is decoded. Undefined when the value is damaged. */
  summarizeRecord(databaseKey: Uint8Array, value: Uint8Array): Summary | undefined {
    return this.#open(databaseKey, value, (reader) => {
      if (reader.u8() !== FORMAT) return undefined;
      reader.skip(4);
      const nodes = readNodes(reader);
      reader.skip(8 * reader.u16());
      return readSummary(reader, nodes, databaseKey.length - 1 + value.length);
    });
  }

  /** One slot of history: the siblings that one put replaced. */
  encodeSiblings(databaseKey: Uint8Array, siblings: readonly Sibling[]): Uint8Array {
    return this.#seal(databaseKey, this.#writeSlot(siblings, 0));
  }

  decodeSiblings(databaseKey: Uint8Array, value: Uint8Array): Sibling[] | undefined {
    return this.#open(databaseKey, value, (reader) => {
      if (reader.u8() !== FORMAT) return undefined;
      const nodes = readNodes(reader);
      return readSiblings(reader, nodes);
    });
  }

  /** As a slot of one sibling, which is all that earlier builds wrote and read of it; when and why it is kept stands behind. */
  encodeGhost(databaseKey: Uint8Array, sibling: Sibling, { atMs, why }: Keeping): Uint8Array {
    const start = this.#writeSlot([sibling], 8 + 1);
    this.#writer.f64(atMs);
    this.#writer.u8(GHOST_REASONS.indexOf(why));
    return this.#seal(databaseKey, start);
  }

  decodeGhost(databaseKey: Uint8Array, value: Uint8Array): Omit<Ghost, "key"> | undefined {
    return this.#open(databaseKey, value, (reader) => {
      if (reader.u8() !== FORMAT) return undefined;
      const [sibling] = readSiblings(reader, readNodes(reader));
      if (sibling === undefined) return undefined;
      if (reader.left === 0) return { sibling, kept: undefined };
      const atMs = reader.f64();
      const why = GHOST_REASONS[reader.u8()];
      return { sibling, kept: why === undefined ? undefined : { atMs, why } };
    });
  }

  encodeSummary(databaseKey: Uint8Array, summary: Summary): Uint8Array {
    const start = this.#writer.begin(summarySize(summary));
    this.#writeSummary(summary);
    return this.#seal(databaseKey, start);
  }

  decodeSummary(databaseKey: Uint8Array, value: Uint8Array): Summary | undefined {
    return this.#open(databaseKey, value, (reader) => {
      const flags = reader.u8();
      const bytes = reader.u32();
      const purgeableFrom = (flags & SUMMARY_PURGEABLE) === 0 ? undefined : reader.f64();
      const versions: Version[] = [];
      for (let left = reader.u16(); left > 0; left--) {
        const time = reader.f64();
        versions.push({ time, node: reader.shortText() });
      }
      return { versions, tombstone: (flags & SUMMARY_TOMBSTONE) !== 0, purgeableFrom, bytes };
    });
  }

  /** Whether a value of any shape passes its checksum. */
  isSealed(databaseKey: Uint8Array, value: Uint8Array): boolean {
    return this.#open(databaseKey, value, () => true) ?? false;
  }

  encodePlain(databaseKey: Uint8Array, content: Uint8Array): Uint8Array {
    const start = this.#writer.begin(content.length + CRC_BYTES);
    this.#writer.raw(content);
    return this.#seal(databaseKey, start);
  }

  decodePlain(databaseKey: Uint8Array, value: Uint8Array): Uint8Array | undefined {
    return this.#open(databaseKey, value, (reader) => reader.raw(value.length - CRC_BYTES));
  }

  encodeSequence(databaseKey: Uint8Array, sequence: number): Uint8Array {
    const start = this.#writer.begin(8 + CRC_BYTES);
    this.#writer.f64(sequence);
    return this.#seal(databaseKey, start);
  }

  decodeSequence(databaseKey: Uint8Array, value: Uint8Array): number | undefined {
    return this.#open(databaseKey, value, (reader) => reader.f64());
  }

  #recordSize(record: KeyRecord, nodes: readonly NodeId[]): number {
    const contextSize = 2 + record.context.size * 8;
    return 1 + 4 + nodesSize(nodes) + contextSize + this.#siblingsSize(record.siblings) + CRC_BYTES;
  }

  /** Database key and value, one after the other. @returns where the value begins */
  #writeRecord(
    key: Uint8Array,
    record: KeyRecord,
    { nodes, revision }: { readonly nodes: readonly NodeId[]; readonly revision: number },
  ): number {
    const writer = this.#writer;
    const start = writer.at;
    writer.u8(SPACE.record);
    writer.raw(key);
    const keyEnd = writer.at;
    writer.u8(FORMAT);
    writer.u32(revision);
    writeNodes(writer, nodes);
    writer.u16(record.context.size);
    for (const time of record.context.values()) writer.f64(time);
    this.#writeSiblings(record.siblings, nodes);
    this.#sealFrom(start);
    return keyEnd;
  }

  /** @returns where it begins; it has room for so many bytes more, and for its checksum */
  #writeSlot(siblings: readonly Sibling[], moreBytes: number): number {
    const nodes = nodesOf(NO_CONTEXT, siblings);
    const size = 1 + nodesSize(nodes) + this.#siblingsSize(siblings) + moreBytes + CRC_BYTES;
    const start = this.#writer.begin(size);
    this.#writer.u8(FORMAT);
    writeNodes(this.#writer, nodes);
    this.#writeSiblings(siblings, nodes);
    return start;
  }

  #writeSummary(summary: Summary): void {
    const writer = this.#writer;
    const { tombstone, purgeableFrom, versions } = summary;
    writer.u8((tombstone ? SUMMARY_TOMBSTONE : 0) | (purgeableFrom === undefined ? 0 : SUMMARY_PURGEABLE));
    writer.u32(summary.bytes);
    if (purgeableFrom !== undefined) writer.f64(purgeableFrom);
    writer.u16(versions.length);
    for (const { time, node } of versions) {
      writer.f64(time);
      writer.shortText(node);
    }
  }

  /** Ends a value that follows its database key in one buffer. */
  #sealFrom(start: number): void {
    this.#writer.u32(this.#crc32(this.#writer.view(start)));
  }

  #siblingsSize(siblings: readonly Sibling[]): number {
    let size = 2;
    for (const sibling of siblings) {
      size += 1 + 2 + 8;
      if (sibling.kind === "tombstone") continue;
      if (sibling.expiresAtMs !== null) size += 8;
      size += 2 + this.#texts.encode(sibling.contentType).length + 4 + sibling.bytes.length;
    }
    return size;
  }

  #writeSiblings(siblings: readonly Sibling[], nodes: readonly NodeId[]): void {
    const writer = this.#writer;
    writer.u16(siblings.length);
    for (const sibling of siblings) {
      const expires = sibling.kind === "value" ? sibling.expiresAtMs : null;
      writer.u8(sibling.kind === "tombstone" ? TOMBSTONE : expires === null ? VALUE : EXPIRING_VALUE);
      writer.u16(nodes.indexOf(sibling.version.node));
      writer.f64(sibling.version.time);
      if (sibling.kind === "tombstone") continue;
      if (expires !== null) writer.f64(expires);
      writer.text(sibling.contentType);
      writer.u32(sibling.bytes.length);
      writer.raw(sibling.bytes);
    }
  }

  #seal(databaseKey: Uint8Array, start: number): Uint8Array {
    this.#writer.u32(this.#crc32(this.#writer.view(start), this.#crc32(databaseKey)));
    return this.#writer.view(start);
  }

  #open<T>(
    databaseKey: Uint8Array,
    value: Uint8Array,
    read: (reader: Reader) => T | undefined,
  ): T | undefined {
    if (value.length < CRC_BYTES) return undefined;
    const reader = new Reader(value, this.#texts);
    const content = new Uint8Array(value.buffer, value.byteOffset, value.length - CRC_BYTES);
    if (this.#crc32(content, this.#crc32(databaseKey)) !== reader.checksum()) return undefined;
    try {
      return read(reader);
    } catch (error) {
      // The checksum fits by chance, or an unknown format hides behind a known first byte.
      if (error instanceof RangeError) return undefined;
      throw error;
    }
  }
}

function readRecord(reader: Reader): DecodedRecord | undefined {
  if (reader.u8() !== FORMAT) return undefined;
  const revision = reader.u32();
  const nodes = readNodes(reader);
  const context = new Map<NodeId, HlcTime>();
  const known = reader.u16();
  for (let i = 0; i < known; i++) context.set(nodeAt(nodes, i), reader.f64());
  const [first, ...rest] = readSiblings(reader, nodes);
  return first === undefined ? undefined : { record: { context, siblings: [first, ...rest] }, revision };
}

function summarySize(summary: Summary): number {
  let size = 1 + 4 + (summary.purgeableFrom === undefined ? 0 : 8) + 2 + CRC_BYTES;
  for (const { node } of summary.versions) size += 8 + 1 + node.length;
  return size;
}
