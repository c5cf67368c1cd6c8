/**
 * What can be saved of a database whose files are damaged: every entry that can be read and passes its checksum,
 * copied into a fresh one. LevelDB's own repair is not enough. It keeps tables whose keys are out of order, and
 * the next compaction of such a table aborts the whole process.
 */
import type { Hashing } from "@hearsay/core";
import { Codec } from "./codec.ts";
import type { Entry } from "./database-handle.ts";
import { DAMAGE_NOTE, encodeDoubt, parseDoubt } from "./environment.ts";
import type { DoubtReason } from "./faults.ts";
import { compareBytes, SPACE, type Space, spaceRange, successor, systemKey } from "./keyspace.ts";
import type { Database } from "./ports.ts";

const CHUNK_ENTRIES = 256;
const CHUNK_BYTES = 1024 * 1024;

export interface RewriteReport {
  readonly copied: number;
  /** Spaces with entries that could not be read or failed their checksum; what lies between these may be missing. */
  readonly gaps: number;
}

/**
 * Copies what can be saved. Graves are left out: opening writes them anew. The copy says of itself that it may lack
 * something, so that it opens in doubt whatever becomes of the process that had it made. Both databases are open; `damaged` is
 * only read, and only by scans: some hundred single lookups would set LevelDB to compacting it.
 */
export async function rewriteDatabase(
  damaged: Database,
  fresh: Database,
  hashing: Hashing,
): Promise<RewriteReport> {
  const rewrite = new Rewrite(damaged, fresh, new Codec(hashing));
  for (const space of Object.values(SPACE)) {
    if (space !== SPACE.graveyard) await rewrite.copySpace(space);
  }
  return await rewrite.finish();
}

class Rewrite {
  readonly #damaged: Database;
  readonly #fresh: Database;
  readonly #codec: Codec;
  #copied: number = 0;
  #gaps: number = 0;
  #refused: number = 0;

  constructor(damaged: Database, fresh: Database, codec: Codec) {
    this.#damaged = damaged;
    this.#fresh = fresh;
    this.#codec = codec;
  }

  /** Forwards as far as reading goes; where that met damage, backwards too, which other entries hide from. */
  async copySpace(space: Space): Promise<void> {
    const { gte, lt } = spaceRange(space);
    const refused = this.#refused;
    const whole = await this.#copyForwards(space, gte, lt);
    if (whole && this.#refused === refused) return;
    this.#gaps += 1;
    await this.#copyBackwards(space, gte, lt);
  }

  async finish(): Promise<RewriteReport> {
    const key = systemKey("doubt");
    const stored = this.#fresh.getSync(key);
    const content = stored === undefined ? undefined : this.#codec.decodePlain(key, stored);
    const known = content === undefined ? [] : (parseDoubt(content) ?? []);
    const doubt = new Set<DoubtReason>([...known, "salvaged"]);
    const batch = this.#fresh.batch();
    batch.put(key, this.#codec.encodePlain(key, encodeDoubt(doubt)));
    // A checkpoint would vouch for what may be missing now, and what the note asks for is done.
    batch.del(systemKey("checkpoint"));
    batch.del(systemKey(DAMAGE_NOTE));
    await batch.write({ sync: true });
    return { copied: this.#copied, gaps: this.#gaps };
  }

  async #copyForwards(space: Space, start: Uint8Array, lt: Uint8Array): Promise<boolean> {
    let cursor = start;
    let size = CHUNK_ENTRIES;
    for (;;) {
      const entries = await this.#read({ gte: cursor, lt, reverse: false }, size);
      if (entries?.length === 0) return true;
      const last = entries === undefined ? undefined : await this.#copy(space, entries);
      const next = last === undefined ? cursor : successor(last);
      if (compareBytes(next, cursor) > 0) {
        cursor = next;
        size = CHUNK_ENTRIES;
      } else if (size > 1) size = size >> 2;
      else return false;
    }
  }

  async #copyBackwards(space: Space, gte: Uint8Array, end: Uint8Array): Promise<void> {
    let cursor = end;
    let size = CHUNK_ENTRIES;
    for (;;) {
      const entries = await this.#read({ gte, lt: cursor, reverse: true }, size);
      if (entries?.length === 0) return;
      const last = entries === undefined ? undefined : await this.#copy(space, entries);
      if (last !== undefined && compareBytes(last, cursor) < 0) {
        cursor = last;
        size = CHUNK_ENTRIES;
      } else if (size > 1) size = size >> 2;
      else return;
    }
  }

  /** Undefined when the range cannot be read from its start. */
  async #read(
    range: { readonly gte: Uint8Array; readonly lt: Uint8Array; readonly reverse: boolean },
    size: number,
  ): Promise<Entry[] | undefined> {
    const iterator = this.#damaged.iterator({ ...range, highWaterMarkBytes: CHUNK_BYTES });
    try {
      return await iterator.nextv(size);
    } catch {
      // What the error says does not matter: there is a gap, and it is counted.
      return undefined;
    } finally {
      await iterator.close();
    }
  }

  /** Copies the entries that pass their checksums; answers the key of the last one of these. */
  async #copy(space: Space, entries: readonly Entry[]): Promise<Uint8Array | undefined> {
    const batch = this.#fresh.batch();
    let last: Uint8Array | undefined;
    for (const [key, value] of entries) {
      // What is in quarantine is damaged as it is.
      if (space !== SPACE.quarantine && !this.#codec.isSealed(key, value)) {
        this.#refused += 1;
        // That the node's own values cannot be read is for opening to say: without one it would be as if there never had been one.
        if (space !== SPACE.meta) continue;
      }
      batch.put(key, value);
      this.#copied += 1;
      last = key;
    }
    await batch.write({ sync: false });
    return last ?? entries.at(-1)?.[0];
  }
}
