import { decodeUtf8 } from "@hearsay/core";
import type { DatabaseHandle } from "./database-handle.ts";
import { SPACE, spaceRange, successor, userKey } from "./keyspace.ts";

/**
 * The keys in quarantine, by a scan: asking for each key of an index singly would set LevelDB to compacting tables,
 * and it aborts the process on a damaged one.
 */
export async function quarantinedKeys(handle: DatabaseHandle): Promise<Set<string>> {
  const keys = new Set<string>();
  let range = spaceRange(SPACE.quarantine);
  for (;;) {
    const { entries, exhausted } = await handle.read(range);
    for (const [at] of entries) {
      const key = decodeUtf8(userKey(at));
      if (key !== undefined) keys.add(key);
    }
    const last = entries.at(-1);
    if (exhausted || last === undefined) return keys;
    range = { ...range, gte: successor(last[0]) };
  }
}
