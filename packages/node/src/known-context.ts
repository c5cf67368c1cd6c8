/**
 * How much of a client's context goes into a record. Contexts of records are never stripped, so what a client could make up
 * would stay for as long as the record and grow until no message takes it.
 */
import {
  type ClientContext,
  CONTEXT_MAX_NODES,
  type HlcTime,
  type KeyRecord,
  type NodeId,
} from "@hearsay/core";

/** Merging two records may double it, and writes of members add one each: far below what a message takes. */
export const CONTEXT_GROWTH_MAX: number = CONTEXT_MAX_NODES / 4;

/**
 * The part of a context that names ids the record names already, or that are known to be of nodes. What is left out covers
 * nothing here: covering less may leave a sibling, it never removes one.
 *
 * Bound: no client brings a record above {@link CONTEXT_GROWTH_MAX} entries.
 */
export function knownPart(
  seen: ClientContext,
  held: KeyRecord | undefined,
  isKnown: (id: NodeId) => boolean,
): ClientContext {
  let room = CONTEXT_GROWTH_MAX - (held?.context.size ?? 0);
  const vector = new Map<NodeId, HlcTime>();
  for (const [id, time] of seen.vector) {
    if (held?.context.has(id) === true) vector.set(id, time);
    else if (room > 0 && isKnown(id)) {
      room -= 1;
      vector.set(id, time);
    }
  }
  return vector.size === seen.vector.size ? seen : { vector, dot: seen.dot };
}
