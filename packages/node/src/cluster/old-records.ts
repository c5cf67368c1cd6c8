import { type HlcTime, purgeableFrom } from "@hearsay/core";
import type { RecordStore } from "../ports.ts";

const SCAN_ENTRIES = 256;

/** Whether a value here is so old that members of a cluster at this floor would take it for one that was deleted. */
export async function holdsUpTo(store: RecordStore, floor: HlcTime): Promise<boolean> {
  let after: string | undefined;
  do {
    const { entries, next } = await store.scan({ prefix: "", after, limit: SCAN_ENTRIES });
    for (const { record } of entries) {
      const goesAnyway = (purgeableFrom(record) ?? Number.POSITIVE_INFINITY) <= floor;
      if (!goesAnyway && record.siblings.some(({ version }) => version.time <= floor)) return true;
    }
    after = next;
  } while (after !== undefined);
  return false;
}
