import type { Database } from "@hearsay/store";
import type { Platform } from "../platform.ts";

/** Longer than any key of the store. */
const ALL = { gte: new Uint8Array(0), lt: new Uint8Array(600).fill(0xff), highWaterMarkBytes: 1024 * 1024 };

/** A copy of what a database holds; the original ends up open. */
export async function copyOf(database: Database, platform: Platform): Promise<Database> {
  const copy = platform.newDatabase();
  await database.open({ createIfMissing: true });
  await copy.open({ createIfMissing: true });
  const iterator = database.iterator(ALL);
  const batch = copy.batch();
  for (let entries = await iterator.nextv(256); entries.length > 0; entries = await iterator.nextv(256)) {
    for (const [key, value] of entries) batch.put(key, value);
  }
  await batch.write({ sync: true });
  await iterator.close();
  return copy;
}
