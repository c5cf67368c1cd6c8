/**
 * The ghost rule: what a replica does with a version it is offered at or below its floor.
 *
 * 1. Above the floor, or held or covered already: ordinary merging.
 * 2. An incomplete replica merges everything: it cannot tell a ghost from what it has missed.
 * 3. A complete replica knows that such a version was superseded or deleted, and the deletion purged, everywhere:
 *    it keeps the version out of the record (quarantine), but merges the context that came with it.
 * 4. Unless the sender is complete at the same floor: then one of both has silently lost data, and the version
 *    is taken, with an alarm.
 */
import type { HlcTime } from "../clock.ts";
import { covers } from "../context.ts";
import { holds, type KeyRecord, mergeRecords, type Sibling } from "../record.ts";

/** Where a replica stands; travels with every message that carries records. */
export interface Standing {
  readonly floor: HlcTime;
  readonly complete: boolean;
}

export interface Admission {
  /** The record after merging; undefined when nothing remains to be held. */
  readonly record: KeyRecord | undefined;
  /** Ghosts, to be kept aside, counted and shown. */
  readonly quarantined: readonly Sibling[];
  /** Taken although both sides are complete: a sign of silent loss on one of them. */
  readonly alarming: readonly Sibling[];
}

export function admit(
  held: KeyRecord | undefined,
  offered: KeyRecord,
  own: Standing,
  sender: Standing,
): Admission {
  const quarantined: Sibling[] = [];
  const alarming: Sibling[] = [];
  if (own.complete) {
    for (const sibling of offered.siblings) {
      if (sibling.version.time > own.floor) continue;
      if (held !== undefined && (holds(held, sibling.version) || covers(held.context, sibling.version)))
        continue;
      if (sender.complete && sender.floor === own.floor) alarming.push(sibling);
      else quarantined.push(sibling);
    }
  }
  if (quarantined.length === 0) {
    return { record: held === undefined ? offered : mergeRecords(held, offered), quarantined, alarming };
  }
  const [first, ...rest] = offered.siblings.filter((sibling) => !quarantined.includes(sibling));
  if (first !== undefined) {
    const admitted: KeyRecord = { context: offered.context, siblings: [first, ...rest] };
    return { record: held === undefined ? admitted : mergeRecords(held, admitted), quarantined, alarming };
  }
  return { record: held === undefined ? undefined : mergeContextOnly(held, offered), quarantined, alarming };
}

/** Siblings of ours that the offered context covers go, as in any merge; nothing comes in. May leave nothing. */
function mergeContextOnly(held: KeyRecord, offered: KeyRecord): KeyRecord | undefined {
  const merged = mergeRecords(held, offered);
  const [first, ...rest] = merged.siblings.filter((sibling) => holds(held, sibling.version));
  return first === undefined ? undefined : { context: merged.context, siblings: [first, ...rest] };
}
