/** Records that may be purged, in the order of the time from which they may. */
import { decodeUtf8, type HlcTime } from "@hearsay/core";
import type { Engine } from "./engine.ts";
import { StoreError } from "./faults.ts";
import { graveyardKey, type KeyRange, parseGraveyardKey, SPACE, spaceRange, successor } from "./keyspace.ts";

export interface Grave {
  readonly key: string;
  /** The floor from which the whole record may go. */
  readonly purgeableFrom: HlcTime;
}

export interface PurgeReport {
  readonly purged: number;
  /** The limit was reached with more to purge. */
  readonly more: boolean;
}

/** The oldest graves, at most `limit`. */
export async function listGraves(engine: Engine, limit: number): Promise<Grave[]> {
  const graves: Grave[] = [];
  for await (const chunk of chunks(engine, spaceRange(SPACE.graveyard), limit)) graves.push(...chunk);
  return graves;
}

/** Chunks of those with a time after the first and up to the second, oldest first. */
export function gravesBetween(engine: Engine, after: HlcTime, through: HlcTime): AsyncGenerator<Grave[]> {
  const range = { gte: graveyardKey(after + 1, NO_KEY), lt: graveyardKey(through + 1, NO_KEY) };
  return chunks(engine, range, Number.POSITIVE_INFINITY);
}

const NO_KEY = new Uint8Array(0);

async function* chunks(engine: Engine, whole: KeyRange, limit: number): AsyncGenerator<Grave[]> {
  let range = whole;
  for (let left = limit; left > 0; ) {
    const { entries, exhausted } = await engine.handle.read(range, left);
    const graves: Grave[] = [];
    for (const [at] of entries) {
      const { purgeableFrom, key } = parseGraveyardKey(at);
      const text = decodeUtf8(key);
      if (text !== undefined) graves.push({ key: text, purgeableFrom });
    }
    left -= graves.length;
    yield graves;
    const last = entries.at(-1);
    if (exhausted || last === undefined) return;
    range = { ...range, gte: successor(last[0]) };
  }
}

/**
 * Removes whole records whose every sibling is a tombstone or expired at or below the floor. What has been
 * written meanwhile stays: each record is looked at again in the step that removes it.
 * @throws StoreError as for a put
 */
export async function purge(engine: Engine, floor: HlcTime, limit: number): Promise<PurgeReport> {
  const { tally, commits } = engine;
  if (floor < tally.purgeableFrom) return { purged: 0, more: false };
  let found = 0;
  // Up to the floor: where nothing may go, nothing of what may go later is read.
  let range: KeyRange = { ...spaceRange(SPACE.graveyard), lt: graveyardKey(floor + 1, NO_KEY) };
  let purged = 0;
  for (;;) {
    const { entries, exhausted } = await engine.handle.read(range, limit - purged + 1);
    const removals: Promise<void>[] = [];
    found += entries.length;
    for (const [at] of entries) {
      const { key } = parseGraveyardKey(at);
      if (purged + removals.length >= limit) return { purged: purged + (await settle(removals)), more: true };
      const removal = remove(engine, decodeUtf8(key), floor, at);
      if (removal !== undefined) removals.push(removal);
    }
    purged += await settle(removals);
    const last = entries.at(-1);
    if (exhausted || last === undefined) break;
    range = { ...range, gte: successor(last[0]) };
  }
  // What was committed meanwhile may not have been seen.
  if (found === 0 && engine.commits === commits) tally.purgeableFrom = floor + 1;
  return { purged, more: false };
}

function remove(
  engine: Engine,
  key: string | undefined,
  floor: HlcTime,
  grave: Uint8Array,
): Promise<void> | undefined {
  const refusal = engine.pipeline.refusal();
  if (refusal !== undefined) return Promise.reject(new StoreError(refusal));
  // What waits for its commit included: the removal, or that of the grave, is committed after it or with it, or fails as it does.
  const state = key === undefined ? undefined : engine.table.newest(key);
  const from = state?.kind === "record" ? state.summary.purgeableFrom : undefined;
  if (key !== undefined && from !== undefined && from <= floor) return engine.table.remove(key);
  // The record behind this grave has moved on. Nobody waits for it: where it fails, the next purge finds it again.
  engine.pipeline.open().del(grave);
  return undefined;
}

async function settle(removals: readonly Promise<void>[]): Promise<number> {
  await Promise.all(removals);
  return removals.length;
}
