/** Records that cannot be read any more: which they are, and when they are forgotten. */
import { decodeUtf8, type HlcTime } from "@hearsay/core";
import { type Damaged, knownVersions } from "./change.ts";
import type { DatabaseHandle } from "./database-handle.ts";
import type { Engine } from "./engine.ts";
import { StoreError } from "./faults.ts";
import { SPACE, spaceRange, successor, userKey } from "./keyspace.ts";

/**
 * The keys in quarantine, by a scan: asking for each key of an index singly would set LevelDB to compacting tables,
 * and it aborts the process on a damaged one.
 */
export async function quarantinedKeys(handle: DatabaseHandle): Promise<Set<string>> {
  const keys = new Set<string>();
  for await (const chunk of chunks(handle)) for (const key of chunk) keys.add(key);
  return keys;
}

export interface DropRule {
  /** What lies at or below it as a whole is forgotten. */
  readonly floor: HlcTime;
  /** Stands for the versions of a record of which not even the index entry can be read. */
  readonly unreadableAt: HlcTime;
  /** Records forgotten at most. */
  readonly limit: number;
}

/**
 * Forgets damaged records, on the word of a peer that is known to lack nothing at or below the floor. While the store is
 * in doubt it forgets none: what was found since it was opened is not what the peer was compared with.
 * @returns the keys of those that were forgotten
 * @throws StoreError as for a put
 */
export async function dropDamaged(engine: Engine, rule: DropRule): Promise<readonly string[]> {
  const dropped: string[] = [];
  if (engine.damaged === 0) return dropped;
  for await (const keys of chunks(engine.handle)) {
    const removals: Promise<void>[] = [];
    for (const key of keys) {
      if (dropped.length >= rule.limit || engine.doubt.length > 0) break;
      // It may have been healed since the key was read.
      const state = engine.table.newest(key);
      if (state.kind !== "damaged" || state.counted || newestOf(state, rule) > rule.floor) continue;
      const refusal = engine.pipeline.refusal();
      if (refusal !== undefined) throw new StoreError(refusal);
      dropped.push(key);
      removals.push(engine.table.remove(key));
    }
    await Promise.all(removals);
  }
  return dropped;
}

function newestOf(state: Damaged, { unreadableAt }: DropRule): HlcTime {
  return Math.max(
    ...(state.known === undefined ? [unreadableAt] : knownVersions(state).map(({ time }) => time)),
  );
}

async function* chunks(handle: DatabaseHandle): AsyncGenerator<string[]> {
  let range = spaceRange(SPACE.quarantine);
  for (;;) {
    const { entries, exhausted } = await handle.read(range);
    yield entries.flatMap(([at]) => decodeUtf8(userKey(at)) ?? []);
    const last = entries.at(-1);
    if (exhausted || last === undefined) return;
    range = { ...range, gte: successor(last[0]) };
  }
}
