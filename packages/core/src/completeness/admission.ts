/**
 * The ghost rule: what a replica does with a version it is offered at or below its floor.
 *
 * 1. Above the floor, or held or covered already: ordinary merging.
 * 2. An incomplete replica merges everything: it cannot tell a ghost from what it has missed.
 * 3. A complete replica knows that such a version was superseded or deleted, and the deletion purged, everywhere:
 *    it keeps the version out of the record (quarantine), but merges the context that came with it.
 * 4. Unless the sender is complete at the same floor: then one of both has silently lost data, and the version
 *    is taken, with an alarm.
 *
 * What a complete replica keeps out, an incomplete sender drops on its word ({@link dropRefused}); without that the
 * two would differ for ever.
 */
import type { HlcTime } from "../clock.ts";
import { covers } from "../context.ts";
import { type KeyRecord, mergeRecords, type Sibling } from "../record.ts";
import { sameVersion, type Version } from "../version.ts";

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
  const suspects = own.complete
    ? offered.siblings.filter(({ version }) => version.time <= own.floor && !knows(held, version))
    : [];
  const merged = held === undefined ? offered : mergeRecords(held, offered);
  if (suspects.length === 0) return { record: merged, quarantined: [], alarming: [] };
  if (sender.complete && sender.floor === own.floor) {
    return { record: merged, quarantined: [], alarming: suspects };
  }
  // Taken out after merging: before it, the merge would see a context without the sibling that stands for it.
  const ghosts = suspects.map(({ version }) => version);
  return { record: without(merged, ghosts), quarantined: suspects, alarming: [] };
}

/**
 * The record after a peer has refused some of its versions as ghosts; undefined when nothing remains. The peer's
 * word counts only when it is complete and this replica is not. The versions stay covered, so that they do not
 * come back while a sibling beside them remains.
 */
export function dropRefused(
  held: KeyRecord,
  refused: readonly Version[],
  own: Standing,
  peer: Standing,
): KeyRecord | undefined {
  return own.complete || !peer.complete ? held : without(held, refused);
}

function knows(held: KeyRecord | undefined, version: Version): boolean {
  // A record covers what it holds.
  return held !== undefined && covers(held.context, version);
}

function without(record: KeyRecord, versions: readonly Version[]): KeyRecord | undefined {
  const [first, ...rest] = record.siblings.filter(
    (sibling) => !versions.some((version) => sameVersion(version, sibling.version)),
  );
  if (first === undefined) return undefined;
  return rest.length + 1 === record.siblings.length
    ? record
    : { context: record.context, siblings: [first, ...rest] };
}
