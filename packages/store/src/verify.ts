/**
 * Three accounts of one store must agree: the records, the bucket index, and the fingerprints that every commit
 * has kept up to date. Two passes over a store in use, exact for the moment the second one ends.
 */
import { decodeUtf8 } from "@hearsay/core";
import { type Change, countedSummary } from "./change.ts";
import type { Entry } from "./database-handle.ts";
import type { Engine } from "./engine.ts";
import { bucketRange, indexKey, parseIndexKey, successor } from "./keyspace.ts";
import { OnlineScan } from "./online-scan.ts";
import { quarantinedKeys } from "./quarantine.ts";
import type { Summary } from "./summary.ts";
import { contributionOf, Tally } from "./tally.ts";

/** Examples in a report; beyond, they are only counted. */
export const VERIFY_MAX_LISTED = 100;

/**
 * Keys in differing buckets that are looked up at once. Some hundred lookups make LevelDB compact a table, and a
 * damaged one then aborts the process; what is left is for the next start, which salvages first.
 */
const EXAMINED_MAX = 64;

export interface VerifyReport {
  /** Records and fingerprints were compared too, not only the index. */
  readonly deep: boolean;
  readonly records: number;
  readonly indexEntries: number;
  /** Buckets whose live fingerprint is not that of their records. Always 0 when not deep. */
  readonly recordBucketsDiffering: number;
  /** Buckets whose live fingerprint is not that of their index entries. */
  readonly indexBucketsDiffering: number;
  /** Damaged records, those found before included. */
  readonly damaged: number;
  /** Keys in differing buckets, at most {@link VERIFY_MAX_LISTED}. */
  readonly differingKeys: readonly string[];
  readonly consistent: boolean;
}

export interface VerifyOptions {
  /** Reads every record too and checks its checksum; else the index alone is compared. */
  readonly deep: boolean;
  /** Called after each chunk with the entries read so far. May throw to end it. */
  onProgress?(entries: number): void;
}

/**
 * Where accounts differ, damaged records go to quarantine, and the fingerprints are rebuilt at the next start.
 * @throws StoreError `store_unavailable` when the database was reopened meanwhile
 */
export async function verify(engine: Engine, options: VerifyOptions): Promise<VerifyReport> {
  const records = new Count(engine, "record");
  const index = new Count(engine, "index");
  const quarantined = new Quarantined(engine);
  index.leaveOut = (key) => quarantined.has(key);
  let read = 0;
  const run = async (count: Count): Promise<void> => {
    while (await count.scan.step()) {
      read = records.entries + index.entries;
      options.onProgress?.(read);
    }
  };
  try {
    await quarantined.load();
    if (options.deep) await run(records);
    await run(index);
    const found = await engine.pipeline.betweenBatches(() =>
      compare(engine, options.deep ? records : undefined, index),
    );
    const differing = [...new Set([...found.records, ...found.index])];
    const differingKeys = await examine(engine, differing);
    const consistent = differing.length === 0;
    if (!consistent) {
      engine.tally.suspect = true;
      engine.noteDamage();
    }
    await engine.pipeline.idle();
    return {
      deep: options.deep,
      records: options.deep ? records.entries : engine.tally.counters.records,
      indexEntries: index.entries,
      recordBucketsDiffering: found.records.length,
      indexBucketsDiffering: found.index.length,
      damaged: engine.damaged,
      differingKeys,
      consistent,
    };
  } finally {
    records.scan.close();
    index.scan.close();
    quarantined.close();
  }
}

function compare(
  engine: Engine,
  records: Count | undefined,
  index: Count,
): { readonly records: number[]; readonly index: number[] } {
  const live = engine.tally.fingerprints;
  return {
    records: records === undefined ? [] : live.differingFrom(records.tally.fingerprints),
    index: live.differingFrom(index.tally.fingerprints),
  };
}

/** Reads every record that the index names in the given buckets, so that missing ones are noticed. */
async function examine(engine: Engine, buckets: readonly number[]): Promise<string[]> {
  const keys: string[] = [];
  for (const bucket of buckets) {
    let range = bucketRange(bucket);
    for (;;) {
      const { entries, exhausted } = await engine.handle.read(range);
      for (const [at] of entries) {
        const key = decodeUtf8(parseIndexKey(at).key);
        if (key === undefined) continue;
        if (keys.length < EXAMINED_MAX) engine.table.found(key);
        if (keys.length < VERIFY_MAX_LISTED) keys.push(key);
        else return keys;
      }
      const last = entries.at(-1);
      if (exhausted || last === undefined) break;
      range = { ...range, gte: successor(last[0]) };
    }
  }
  return keys;
}

/** One account, counted from the database and kept up to date behind the cursor. */
class Count {
  readonly tally: Tally = Tally.empty();
  readonly scan: OnlineScan;
  entries: number = 0;
  /** Keys that this account passes over. */
  leaveOut: (key: string) => boolean = () => false;
  readonly #engine: Engine;
  readonly #space: "record" | "index";

  constructor(engine: Engine, space: "record" | "index") {
    this.#engine = engine;
    this.#space = space;
    this.scan = new OnlineScan(engine, space, {
      stored: (key, entry) => this.#stored(key, entry),
      changed: ({ key, bucket, after }) => {
        const summary = countedSummary(after);
        if (summary !== undefined) this.#add(key, bucket, summary);
      },
      passed: (change) => this.#passed(change),
    });
  }

  #add(key: string, bucket: number, summary: Summary): void {
    this.entries += 1;
    this.tally.add(bucket, contributionOf(this.#engine.hasher, key, summary));
  }

  #passed({ bucket, loses, gains }: Change): void {
    if (loses !== undefined) {
      this.entries -= 1;
      this.tally.subtract(bucket, loses);
    }
    if (gains !== undefined) {
      this.entries += 1;
      this.tally.add(bucket, gains);
    }
  }

  #stored(key: string | undefined, entry: Entry): void {
    if (key === undefined) return;
    if (this.#space === "record") this.#storedRecord(key, entry);
    else this.#storedSummary(key, entry);
  }

  #storedRecord(key: string, [at, value]: Entry): void {
    const { codec, hasher, table } = this.#engine;
    const bucket = hasher.bucketOf(key);
    const summary = codec.summarizeRecord(at, value);
    if (summary !== undefined) {
      this.#add(key, bucket, summary);
      return;
    }
    const indexAt = indexKey(bucket, at.subarray(1));
    const index = this.#engine.handle.get(indexAt);
    const known = index === undefined ? undefined : codec.decodeSummary(indexAt, index);
    // The fingerprints contain it until its quarantine is committed, and so must this account.
    if (known !== undefined) this.#add(key, bucket, known);
    this.#engine.cache.delete(key);
    table.quarantine(key, { kind: "damaged", known, counted: true, raw: value });
  }

  #storedSummary(key: string, [at, value]: Entry): void {
    const summary = this.#engine.codec.decodeSummary(at, value);
    // The index remembers what is in quarantine; the fingerprints do not contain it.
    if (summary === undefined || this.leaveOut(key)) return;
    this.#add(key, parseIndexKey(at).bucket, summary);
  }
}

/** The keys in quarantine, kept up to date. */
class Quarantined {
  readonly #engine: Engine;
  /** What commits have changed since the keys were asked for. */
  readonly #changed: Map<string, boolean> = new Map();
  #keys: ReadonlySet<string> = new Set();
  readonly #listener: (change: Change) => void = ({ key, before, after }) => {
    if (before.kind === "damaged" || after.kind === "damaged")
      this.#changed.set(key, after.kind === "damaged");
  };

  constructor(engine: Engine) {
    this.#engine = engine;
    engine.listeners.add(this.#listener);
  }

  async load(): Promise<void> {
    this.#keys = await quarantinedKeys(this.#engine.handle);
  }

  has(key: string): boolean {
    return this.#changed.get(key) ?? this.#keys.has(key);
  }

  close(): void {
    this.#engine.listeners.delete(this.#listener);
  }
}
