import type { KeyRecord } from "@hearsay/core";
import { StoreError } from "@hearsay/store";
import type { Machine } from "../cluster/machine.ts";

/** What a machine holds of a key; undefined also where that cannot be read, so that nothing follows from it. */
export function readable(key: string, { store }: Machine): KeyRecord | undefined {
  return ifReadable(() => store?.peek(key));
}

/** What is read, or undefined where it cannot be. */
export function ifReadable(read: () => KeyRecord | undefined): KeyRecord | undefined {
  try {
    return read();
  } catch (error) {
    if (error instanceof StoreError) return undefined;
    throw error;
  }
}
