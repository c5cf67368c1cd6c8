/**
 * Writes to a store on a real disk and notes down, after each acknowledged commit, which files there were and how long each
 * was. LevelDB only appends to its files, so their later bytes and these lengths are all it takes to make any moment again.
 * Every file is linked into a place of its own when it is first seen, so that none is lost when LevelDB deletes it.
 */
import { existsSync, linkSync, mkdirSync, readdirSync, readFileSync, statSync } from "node:fs";
import { join } from "node:path";
import { type RandomSource, randomBelow } from "@hearsay/core";
import type { StoreEvent } from "@hearsay/store";
import { type Durability, openStore, readSequence, recordOf, type SyncWatch } from "./records.ts";

/** An acknowledged batch or an opening: what it wrote, and the disk right after it. Nothing else was being committed then. */
export interface CommitPoint {
  /** By key the stamp of its write. */
  readonly written: ReadonlyMap<string, number>;
  /** Length of each file there was. */
  readonly lengths: ReadonlyMap<string, number>;
  /** The manifest that `CURRENT` named. */
  readonly manifest: string;
  readonly sequence: number;
}

export interface Recording {
  /** Where each file that ever was lies, whole. */
  readonly files: string;
  /** What the store held before the first commit. */
  readonly before: ReadonlyMap<string, number>;
  readonly points: readonly CommitPoint[];
}

const KEYS = 80;
const BATCH_MAX = 6;
const VALUE_MAX_BYTES = 1500;
/** One write in so many is a deletion. */
const DELETIONS = 8;

export interface RecordingPlan {
  readonly directory: string;
  readonly files: string;
  readonly commits: number;
  readonly durability: Durability;
  readonly boot: number;
  readonly before: ReadonlyMap<string, number>;
  /** Above all stamps used before. */
  readonly firstStamp: number;
}

export async function record(plan: RecordingPlan, random: RandomSource): Promise<Recording> {
  const { directory, files, commits, durability, boot, before, firstStamp } = plan;
  mkdirSync(files, { recursive: true });
  const events: StoreEvent[] = [];
  const points: CommitPoint[] = [];
  // An opening that begins on what was there is a step like a commit, with nothing to acknowledge.
  if (existsSync(join(directory, "db", "CURRENT"))) points.push(observe(directory, files, new Map()));
  const watch: SyncWatch = { synced: false };
  const { store } = await openStore(directory, boot, events, { durability, watch });
  points.push(observe(directory, files, new Map()));
  let stamp = firstStamp;
  for (let i = 0; i < commits; i++) {
    const written = new Map<string, number>();
    const puts: Promise<void>[] = [];
    for (let left = 1 + randomBelow(random, BATCH_MAX); left > 0; left--) {
      stamp += 1;
      const key = `key-${randomBelow(random, KEYS)}`;
      puts.push(store.put(key, recordOf(stamp, valueBytes(random))));
      written.set(key, stamp);
    }
    await Promise.all(puts);
    const point = observe(directory, files, written);
    points.push(watch.synced ? point : withoutLogs(point, points.at(-1)));
  }
  // What the close writes is no part of the recording.
  await store.close();
  // After a failure that a recording begins on, fingerprints are rebuilt: that is as it should be.
  if (events.some(({ code }) => code !== "fingerprints_rebuilt"))
    throw new Error(`the store was not well while recording: ${JSON.stringify(events)}`);
  return { files, before, points };
}

function valueBytes(random: RandomSource): number {
  return randomBelow(random, DELETIONS) === 0 ? 0 : 1 + randomBelow(random, VALUE_MAX_BYTES);
}

/** The disk after a commit that nobody asked to be synced: its log is no longer than it was. */
function withoutLogs(point: CommitPoint, before: CommitPoint | undefined): CommitPoint {
  const lengths = [...point.lengths].map(([name, length]): [string, number] => [
    name,
    name.endsWith(".log") ? (before?.lengths.get(name) ?? 0) : length,
  ]);
  return { ...point, lengths: new Map(lengths) };
}

function observe(directory: string, files: string, written: ReadonlyMap<string, number>): CommitPoint {
  const database = join(directory, "db");
  // The manifest first: the tables that so much of it names are there by then.
  const manifest = readFileSync(join(database, "CURRENT"), "utf8").trim();
  const lengths = new Map<string, number>();
  for (const name of [manifest, ...readdirSync(database)]) {
    if (lengths.has(name) || !/^(?:\d+\.(?:log|ldb)|MANIFEST-\d+)$/.test(name)) continue;
    const length = lengthOnceKept(join(database, name), join(files, name));
    if (length !== undefined) lengths.set(name, length);
  }
  return { written, lengths, manifest, sequence: readSequence(join(directory, "sequence")) };
}

/** Undefined when LevelDB has deleted it in the meantime. */
function lengthOnceKept(from: string, kept: string): number | undefined {
  try {
    linkSync(from, kept);
  } catch (error) {
    const code = error instanceof Error && "code" in error ? error.code : undefined;
    if (code === "ENOENT") return undefined;
    if (code !== "EEXIST") throw error;
  }
  return statSync(kept).size;
}
