/** Section 6 of the protocol: vector, C, units, watermark, floor, and who is complete. */
import { type HlcTime, hlcFromMs, type NodeId } from "@hearsay/core";
import { checkVector, checkWatermark } from "./checks.ts";
import { idsText, purge } from "./records.ts";
import {
  type Host,
  isComplete,
  keeps,
  log,
  type Offer,
  type Session,
  shortTime,
  tick,
  type Unit,
  type World,
} from "./state.ts";

export function countedMembers(host: Host): NodeId[] {
  const ids: NodeId[] = [];
  for (const [id, standing] of host.disk.table) {
    if (standing === "counted" && !host.ignored.has(id)) ids.push(id);
  }
  return ids.sort();
}

/** Just below the oldest own write that is not committed yet, else a fresh tick. */
function ownTime(world: World, host: Host): HlcTime {
  const now = tick(world, host);
  if (!keeps(world, "time-below-uncommitted")) return now;
  for (const step of host.queue) {
    if (step.kind === "record" && step.own !== undefined) return step.own.sibling.version.time - 1;
  }
  return now;
}

export function offer(world: World, host: Host): Offer {
  const time = ownTime(world, host);
  return {
    time,
    vector: new Map(host.disk.vector).set(host.disk.id, time),
    floor: host.disk.floor,
    complete: isComplete(world, host),
  };
}

/** C, and F with it. */
function completeThrough(world: World, host: Host): HlcTime {
  let least = ownTime(world, host);
  for (const id of countedMembers(host)) {
    if (id !== host.disk.id) least = Math.min(least, host.disk.vector.get(id) ?? 0);
  }
  if (host.disk.complete || !keeps(world, "complete-by-exchange")) {
    host.disk.confirmed = Math.max(host.disk.confirmed, least);
  }
  return least;
}

/** Everything an exchange brought is committed: V moves. */
export function claim(world: World, host: Host, session: Session, offered: Offer): void {
  world.counts.exchanges += 1;
  const { vector, id } = host.disk;
  for (const [member, time] of new Map(offered.vector).set(session.peer, offered.time)) {
    const before = vector.get(member) ?? 0;
    if (member === id || time <= before) continue;
    vector.set(member, time);
    checkVector(world, host, member, before, time);
  }
  completeThrough(world, host);
  becomeComplete(world, host, session, offered);
}

/**
 * Whoever has just exchanged everything with a complete node at its floor holds what that node holds at or below
 * it, and nothing else: unless another peer that could not judge has brought something meanwhile.
 */
function becomeComplete(world: World, host: Host, session: Session, offered: Offer): void {
  const { disk } = host;
  if (disk.complete || !offered.complete || !disk.ready || !keeps(world, "complete-by-exchange")) return;
  if (offered.floor !== disk.floor || session.disturbances !== host.disturbances) return;
  disk.complete = true;
  disk.confirmed = Math.max(disk.confirmed, disk.floor);
  log(world, host, `is complete at floor ${shortTime(disk.floor)}`);
}

export function refreshUnit(world: World, host: Host): void {
  const { disk } = host;
  if (!disk.ready) return;
  absorb(world, host, disk.id, {
    through: completeThrough(world, host),
    settled: disk.settled,
    complete: isComplete(world, host),
  });
}

export function absorb(world: World, host: Host, id: NodeId, unit: Unit): void {
  const known = host.disk.units.get(id);
  if (known !== undefined && !isNewer(unit, known)) return;
  // Without the rule C arrives alone, and S stays what it was.
  const late = known !== undefined && id !== host.disk.id && !keeps(world, "unit-as-one");
  host.disk.units.set(id, late ? { ...unit, settled: known.settled } : unit);
}

function isNewer(unit: Unit, known: Unit): boolean {
  if (unit.settled !== known.settled) return unit.settled > known.settled;
  if (unit.through !== known.through) return unit.through > known.through;
  return unit.complete && !known.complete;
}

/** W = min C over the counted members, taken only when it reaches every S. */
export function advance(world: World, host: Host): void {
  const { disk } = host;
  const members = countedMembers(host);
  let least = Number.POSITIVE_INFINITY;
  let settled = 0;
  let judge = false;
  for (const id of members) {
    const unit = disk.units.get(id);
    if (unit === undefined) return;
    least = Math.min(least, unit.through);
    settled = Math.max(settled, unit.settled);
    judge ||= unit.complete;
  }
  if (least < settled && keeps(world, "settled-first")) return;
  if (least > disk.watermark) {
    disk.watermark = least;
    world.counts.watermarks += 1;
    log(world, host, `W=${shortTime(least)} over ${idsText(members)}`);
    checkWatermark(world, least, members);
  }
  const retained = disk.watermark - hlcFromMs(world.settings.retentionMs);
  adoptFloor(world, host, retained);
  if (!keeps(world, "complete-by-exchange")) return;
  if (!judge && !disk.complete && disk.watermark >= disk.floor) {
    disk.complete = true;
    disk.confirmed = Math.max(disk.confirmed, disk.watermark);
    log(world, host, "is complete: nobody else is, and all hold the same");
  }
}

/** The larger floor, own or a peer's; purged to at once. */
export function adoptFloor(world: World, host: Host, floor: HlcTime): void {
  const { disk } = host;
  if (floor > disk.floor) {
    disk.floor = floor;
    if (disk.complete && disk.confirmed < floor) {
      disk.complete = false;
      log(world, host, `is incomplete: floor ${shortTime(floor)} by hearsay`);
    }
  }
  purge(world, host);
}
