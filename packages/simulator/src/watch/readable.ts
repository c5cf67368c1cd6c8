import type { KeyRecord } from "@hearsay/core";
import { StoreError } from "@hearsay/store";
import type { Machine } from "../cluster/machine.ts";

/** What a machine holds of a key; undefined also where that cannot be read, so that nothing follows from it. */
export function readable(key: string, { store }: Machine): KeyRecord | undefined {
  try {
    return store?.peek(key);
  } catch (error) {
    if (error instanceof StoreError) return undefined;
    throw error;
  }
}
