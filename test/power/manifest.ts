/**
 * What a prefix of a LevelDB manifest says: which files make up the database. Format: leveldb's doc/log_format.md and
 * db/version_edit.cc. Only whole records count, as for LevelDB itself.
 */

const BLOCK_BYTES = 32_768;
const HEADER_BYTES = 7;
const FULL = 1;
const LAST = 4;

interface ManifestRecord {
  readonly start: number;
  readonly end: number;
  readonly payload: Buffer;
}

/** The whole records of a file in LevelDB's log format. */
function recordsOf(file: Buffer): ManifestRecord[] {
  const records: ManifestRecord[] = [];
  let parts: Buffer[] = [];
  let start = 0;
  let at = 0;
  for (;;) {
    const left = BLOCK_BYTES - (at % BLOCK_BYTES);
    if (left < HEADER_BYTES) at += left;
    if (at + HEADER_BYTES > file.length) return records;
    const end = at + HEADER_BYTES + file.readUInt16LE(at + 4);
    const type = file.readUInt8(at + 6);
    if (end > file.length) return records;
    if (parts.length === 0) start = at;
    parts.push(file.subarray(at + HEADER_BYTES, end));
    at = end;
    if (type !== FULL && type !== LAST) continue;
    records.push({ start, end, payload: Buffer.concat(parts) });
    parts = [];
  }
}

/** The snapshot and the edit with which an opening begins a manifest, both synced before anything names it. */
const FIRST_RECORDS = 2;

/**
 * How much of a manifest in use was synced at the least: all but its last record, for each is synced before the next one is
 * begun. What comes after the last whole record is the beginning of the next one.
 */
export function syncedAtLeast(file: Buffer): number {
  const records = recordsOf(file);
  const last = records.at(-1);
  const first = records[FIRST_RECORDS - 1];
  if (last === undefined || first === undefined) return file.length;
  return Math.max(first.end, last.end === file.length ? last.start : last.end);
}

export interface LiveFiles {
  /** Logs from this number on are replayed. */
  readonly logNumber: number;
  readonly tables: ReadonlySet<number>;
}

export function liveFiles(file: Buffer): LiveFiles {
  let logNumber = 0;
  const tables = new Set<number>();
  for (const { payload } of recordsOf(file)) {
    const edit = new EditReader(payload);
    while (edit.hasMore) {
      const tag = edit.varint();
      if (tag === 1) edit.bytes();
      else if (tag === 2) logNumber = edit.varint();
      else if (tag === 3 || tag === 4 || tag === 9) edit.varint();
      else if (tag === 5) {
        edit.varint();
        edit.bytes();
      } else if (tag === 6) {
        edit.varint();
        tables.delete(edit.varint());
      } else if (tag === 7) {
        edit.varint();
        tables.add(edit.varint());
        edit.varint();
        edit.bytes();
        edit.bytes();
      } else throw new Error(`tag ${tag} in a manifest`);
    }
  }
  return { logNumber, tables };
}

class EditReader {
  readonly #bytes: Buffer;
  #at = 0;

  constructor(bytes: Buffer) {
    this.#bytes = bytes;
  }

  get hasMore(): boolean {
    return this.#at < this.#bytes.length;
  }

  varint(): number {
    let value = 0;
    let scale = 1;
    for (;;) {
      const byte = this.#bytes.readUInt8(this.#at);
      this.#at += 1;
      value += (byte & 0x7f) * scale;
      if (byte < 0x80) return value;
      scale *= 128;
    }
  }

  bytes(): void {
    const length = this.varint();
    this.#at += length;
  }
}
