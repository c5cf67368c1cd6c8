/** All that a store holds, read as anybody would: chunk by chunk. */
import type { KeyRecord } from "@hearsay/core";
import type { Store } from "@hearsay/store";

const CHUNK_ENTRIES = 1000;

export interface Everything {
  readonly records: Map<string, KeyRecord>;
  /** Records that cannot be read. */
  readonly damaged: number;
}

/** @throws StoreError as a scan does */
export async function everything(store: Store): Promise<Everything> {
  const records = new Map<string, KeyRecord>();
  let damaged = 0;
  let after: string | undefined;
  do {
    const chunk = await store.scan({ prefix: "", after, limit: CHUNK_ENTRIES });
    for (const { key, record } of chunk.entries) records.set(key, record);
    damaged += chunk.damaged.length;
    after = chunk.next;
  } while (after !== undefined);
  return { records, damaged };
}
