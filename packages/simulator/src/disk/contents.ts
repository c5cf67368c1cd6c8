/** All that lies in a directory at one time. */
import type { Database } from "@hearsay/store";

export type DiskEntry = readonly [key: Uint8Array, value: Uint8Array];

export interface DiskContents {
  readonly entries: readonly DiskEntry[];
  /** What the side file says. */
  readonly sequence: number;
}

/** Above every key of the store. */
const ALL = { gte: new Uint8Array(0), lt: Uint8Array.of(0xff), highWaterMarkBytes: 1024 * 1024 };
const CHUNK = 256;

/** @param database open */
export async function entriesOf(database: Database): Promise<DiskEntry[]> {
  const iterator = database.iterator(ALL);
  const entries: DiskEntry[] = [];
  for (let chunk = await iterator.nextv(CHUNK); chunk.length > 0; chunk = await iterator.nextv(CHUNK)) {
    entries.push(...chunk);
  }
  await iterator.close();
  return entries;
}

/** @param database open */
export async function fill(database: Database, entries: readonly DiskEntry[]): Promise<void> {
  const batch = database.batch();
  for (const [key, value] of entries) batch.put(key, value);
  await batch.write({ sync: true });
}
