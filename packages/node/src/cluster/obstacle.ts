import { type HlcTime, type KeyRecord, type NodeId, purgeableFrom } from "@hearsay/core";
import type { RecordStore } from "../ports.ts";

const SCAN_ENTRIES = 256;

/** What keeps a node that was alone from bringing what it holds into a cluster. */
export type Obstacle =
  /** A value so old that members at their floor would take it for one that was deleted. */
  | "too_old"
  /**
   * Something that a node has written of which this one knows nothing: it comes from another cluster, as after a reset or an exact
   * restore. What of that was deleted here, and purged, would come back where it is the same cluster.
   */
  | "of_others";

/**
 * @param isKnown whether an id is one of this node's own cluster, now or before
 * @param wasLetIn that one has let it in before: so what others have written came from there
 */
export async function obstacleTo(
  store: RecordStore,
  floor: HlcTime,
  isKnown: (id: NodeId) => boolean,
  wasLetIn: boolean,
): Promise<Obstacle | undefined> {
  let after: string | undefined;
  do {
    const { entries, next } = await store.scan({ prefix: "", after, limit: SCAN_ENTRIES });
    for (const { record } of entries) {
      const isOwn = [...record.context.keys()].every(isKnown);
      if (!isOwn && wasLetIn) continue;
      if (!isOwn) return "of_others";
      if (isTooOld(record, floor)) return "too_old";
    }
    after = next;
  } while (after !== undefined);
  return undefined;
}

function isTooOld(record: KeyRecord, floor: HlcTime): boolean {
  const goesAnyway = (purgeableFrom(record) ?? Number.POSITIVE_INFINITY) <= floor;
  return !goesAnyway && record.siblings.some(({ version }) => version.time <= floor);
}
