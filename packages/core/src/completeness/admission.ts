/**
 * The ghost rule: what a replica does with a live version that it is offered at or below its floor and neither holds
 * nor covers. A deletion or an expired value is never a ghost, because merging it brings nothing back; and what may go
 * at the floor is not kept in the first place.
 *
 * In an exchange ({@link admit}):
 * 1. An incomplete replica merges it: it cannot tell a ghost from what it has missed. When the sender is incomplete
 *    too, that disturbs what an exchange with a complete peer proves meanwhile.
 * 2. A complete replica whose peer stands at another floor decides nothing, not even what only the peer's floor has reached:
 *    what it took of that it would have as a complete one at the next floor. The next exchange begins at one floor.
 * 3. A complete replica knows that the version was superseded or deleted, and the deletion purged, everywhere. What an
 *    incomplete peer offers it keeps out of the record (quarantine). The context that came with it is merged only when it
 *    stands for a sibling that is taken, without the ghosts where it can do without them, and goes with the ghosts otherwise
 *    (docs/decisions/0014). The peer drops the version on its word ({@link dropRefused}); without that the two would
 *    differ for ever.
 * 4. What a complete peer offers at the same floor is taken, with an alarm: one of both has silently lost data.
 *
 * Mail judges nothing ({@link admitMail}): it brings what was just written, and what is unknown at or below the floor of
 * either side is not new. An exchange brings it if it is right.
 */
import { type HlcTime, hlcFromMs } from "../clock.ts";
import { type Context, covers } from "../context.ts";
import { type KeyRecord, mergeRecords, purgeableFrom, type Sibling } from "../record.ts";
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
  /** Taken from a peer that cannot judge it, by a replica that cannot either. */
  readonly disturbing: boolean;
}

/** @returns undefined when the two stand at different floors, so that nothing can be decided */
export function admit(
  held: KeyRecord | undefined,
  offered: KeyRecord,
  own: Standing,
  sender: Standing,
): Admission | undefined {
  const reached = own.complete ? Math.max(own.floor, sender.floor) : own.floor;
  const suspects = unknownBelow(own.floor, reached, held, offered);
  const merged = held === undefined ? offered : mergeRecords(held, offered);
  const taken: Admission = {
    record: kept(merged, own.floor),
    quarantined: [],
    alarming: [],
    disturbing: false,
  };
  if (suspects.length === 0) return taken;
  if (!own.complete) return { ...taken, disturbing: !sender.complete || sender.floor !== own.floor };
  if (sender.floor !== own.floor) return undefined;
  if (sender.complete) return { ...taken, alarming: suspects };
  const ghosts = suspects.map(({ version }) => version);
  const news = without(offered, ghosts);
  if (news === undefined || kept(news, own.floor) === undefined)
    return { ...taken, record: held, quarantined: suspects };
  // Taken out after merging: before it, the merge would see a context without the sibling that stands for it.
  return { ...taken, record: without(merged, ghosts), quarantined: suspects };
}

/**
 * The record after mail has come for it: what was held, where the mail is no news.
 * @param floor of the receiver
 * @param reached the larger of this floor and the sender's
 */
export function admitMail(
  held: KeyRecord | undefined,
  offered: KeyRecord,
  floor: HlcTime,
  reached: HlcTime,
): KeyRecord | undefined {
  if (unknownBelow(floor, reached, held, offered).length > 0) return held;
  return kept(held === undefined ? offered : mergeRecords(held, offered), floor) ?? held;
}

/**
 * What lives in a record although it was written at or below the floor: it would have to be judged by whoever does not know it.
 */
export function livingBelow(floor: HlcTime, reached: HlcTime, record: KeyRecord): readonly Sibling[] {
  return unknownBelow(floor, reached, undefined, record);
}

/**
 * The record after a complete peer has refused some of its versions as ghosts, which were sent to it by this replica
 * when it was incomplete; undefined when nothing remains. What was rightly refused never becomes right again, so it
 * does not matter what this replica is by now. A version above the floor was never refused rightly. What remains covers the
 * refused versions only where it has to ({@link contextWithout}).
 */
export function dropRefused(
  held: KeyRecord,
  refused: readonly Version[],
  floor: HlcTime,
): KeyRecord | undefined {
  return without(
    held,
    refused.filter(({ time }) => time <= floor),
  );
}

/** Siblings at or below the time reached, and live at the floor, that are neither held nor covered. */
function unknownBelow(
  floor: HlcTime,
  reached: HlcTime,
  held: KeyRecord | undefined,
  offered: KeyRecord,
): Sibling[] {
  return offered.siblings.filter(
    (sibling) => sibling.version.time <= reached && isLiveAt(sibling, floor) && !knows(held, sibling.version),
  );
}

function isLiveAt(sibling: Sibling, floor: HlcTime): boolean {
  if (sibling.kind === "tombstone") return false;
  return sibling.expiresAtMs === null || hlcFromMs(sibling.expiresAtMs) > floor;
}

/** What may go at the floor has gone everywhere, and would only make two replicas differ. */
function kept(record: KeyRecord, floor: HlcTime): KeyRecord | undefined {
  return (purgeableFrom(record) ?? Number.POSITIVE_INFINITY) <= floor ? undefined : record;
}

function knows(held: KeyRecord | undefined, version: Version): boolean {
  // A record covers what it holds.
  return held !== undefined && covers(held.context, version);
}

function without(record: KeyRecord, versions: readonly Version[]): KeyRecord | undefined {
  const isLeft = ({ version }: Sibling): boolean => !versions.some((other) => sameVersion(other, version));
  const [first, ...rest] = record.siblings.filter(isLeft);
  if (first === undefined) return undefined;
  if (rest.length + 1 === record.siblings.length) return record;
  const siblings = [first, ...rest] as const;
  const gone = record.siblings.filter((sibling) => !isLeft(sibling));
  return { context: contextWithout(record.context, gone), siblings };
}

/**
 * The context of a record that some siblings leave without having been superseded. What stands beside them covers none of them.
 * So an entry that is one of theirs goes down to just below it. One that names a later version of the same node stays, and
 * covers them too: a vector cannot leave out one version.
 * @param gone newest first
 */
function contextWithout(context: Context, gone: readonly Sibling[]): Context {
  const left = new Map(context);
  for (const { version } of gone) {
    if (left.get(version.node) === version.time) left.set(version.node, version.time - 1);
  }
  return left;
}
