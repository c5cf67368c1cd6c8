/** Stands in the store from before the first record of an exact restore until all of it is there. */
import type { MetaStore } from "@hearsay/node";

const META_NAME = "exact-restore";
const UNDER_WAY = 1;
const NONE = 0;

/** Whether one is under way, or was cut off: what the node holds is a part of the snapshot. */
export function isRestoringExactly(meta: MetaStore): boolean {
  return meta.get(META_NAME)?.[0] === UNDER_WAY;
}

export function noteExactRestore(meta: MetaStore): Promise<void> {
  return meta.put(META_NAME, Uint8Array.of(UNDER_WAY));
}

/** Writes nothing where none is noted. */
export async function settleExactRestore(meta: MetaStore): Promise<void> {
  if (isRestoringExactly(meta)) await meta.put(META_NAME, Uint8Array.of(NONE));
}
