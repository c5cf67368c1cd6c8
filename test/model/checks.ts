/** What must hold, checked against the truth at the moment a node claims, removes, judges or shows something. */
import {
  compareVersions,
  type HlcTime,
  isLive,
  type KeyRecord,
  type NodeId,
  type Sibling,
} from "@hearsay/core";
import { type Host, isComplete, shortId, shortTime, type World, wallMs } from "./state.ts";
import {
  describe,
  everythingIn,
  type Fact,
  highestFloor,
  holdsFact,
  isDeadAt,
  isSuperseded,
  mayLack,
} from "./truth.ts";

export type Invariant =
  /** `V[m] = x`, but something m held when its clock read x is neither held nor covered. */
  | "vector_untrue"
  /** A write at or before W that nothing covers is missing at a counted member. */
  | "watermark_untrue"
  /** Purging showed a reader a value again or hid one, or went ahead of a counted member. */
  | "purged_too_early"
  /** What was kept out or dropped as a ghost was the newest write of its kind. */
  | "ghost_was_alive"
  /** Two nodes called each other liars though nobody had lost anything. */
  | "false_alarm"
  /** A node showed a value after it had shown what superseded it. */
  | "seen_again"
  /** Two writes under one version. */
  | "version_twice"
  /** A write removed what its writer had not seen. */
  | "overwritten_unseen"
  | "version_below_context"
  | "diverged"
  | "lost_write"
  | "resurrected"
  | "watermark_stuck"
  | "incomplete_for_good";

export class Violation extends Error {
  readonly invariant: Invariant;

  constructor(invariant: Invariant, text: string) {
    super(`${invariant}: ${text}`);
    this.name = "Violation";
    this.invariant = invariant;
  }
}

/** Right after V[m] rose from one time to another. */
export function checkVector(world: World, host: Host, member: NodeId, before: HlcTime, time: HlcTime): void {
  const floor = highestFloor(world);
  for (const [fact, heldAt] of world.truth.heldAt.get(member) ?? []) {
    if (heldAt < before || heldAt >= time || world.truth.lostSilently.has(fact.key)) continue;
    if (mayLack(host, fact, floor)) continue;
    const claim = `${shortId(host.disk.id)} claims ${shortId(member)} through ${shortTime(time)}`;
    throw new Violation("vector_untrue", `${claim}, lacks ${describe(fact)}`);
  }
}

/**
 * Right after W was taken over these members: each has every write at or below it. Of a write that was excused,
 * either all have it or none.
 */
export function checkWatermark(world: World, watermark: HlcTime, members: readonly NodeId[]): void {
  // A node known to have lost something is about to come back as another.
  const hosts = [...world.hosts.values()].filter(
    (host) => !host.over && !host.doubt && members.includes(host.disk.id),
  );
  const floor = highestFloor(world);
  for (const fact of world.truth.facts.values()) {
    if (!fact.committed || fact.sibling.version.time > watermark || isSuperseded(fact)) continue;
    if (world.truth.lostSilently.has(fact.key)) continue;
    if (isDeadAt(fact.sibling, floor)) continue;
    if (fact.excused !== undefined && !hosts.some((host) => holdsFact(host, fact))) continue;
    for (const host of hosts) {
      if (holdsFact(host, fact)) continue;
      const where = `W=${shortTime(watermark)}, but ${shortId(host.disk.id)}`;
      throw new Violation("watermark_untrue", `${where} lacks ${describe(fact)}`);
    }
  }
}

/** Before a record goes, or loses siblings. */
export function checkPurge(world: World, host: Host, before: KeyRecord, left: readonly Sibling[]): void {
  const now = wallMs(world, host);
  const was = before.siblings[0];
  const is = left[0];
  const fact = world.truth.of(was);
  const shown = isLive(was, now) ? was : undefined;
  const shows = is !== undefined && isLive(is, now) ? is : undefined;
  if (shown !== shows) {
    throw new Violation("purged_too_early", `a reader of ${shortId(host.disk.id)} sees ${describe(fact)} go`);
  }
  const gone = before.siblings.filter((sibling) => !left.includes(sibling));
  for (const other of world.hosts.values()) {
    if (other.over || !isComplete(world, other) || host.disk.table.get(other.disk.id) !== "counted") continue;
    for (const sibling of gone) checkPurgedAt(world, other, world.truth.of(sibling));
  }
}

function checkPurgedAt(world: World, other: Host, fact: Fact): void {
  if (world.truth.lostSilently.has(fact.key) || fact.excused !== undefined) return;
  const at = shortId(other.disk.id);
  if (!mayLack(other, fact, other.disk.floor)) {
    throw new Violation("purged_too_early", `${at} has not seen ${describe(fact)}`);
  }
  for (const held of other.disk.records.get(fact.key)?.siblings ?? []) {
    if (held.kind === "value" && fact.covers.has(world.truth.of(held))) {
      const shown = describe(world.truth.of(held));
      throw new Violation("purged_too_early", `${at} still shows ${shown}, superseded by ${describe(fact)}`);
    }
  }
}

/** When a version is kept out of a record, or dropped on a peer's word. */
export function checkGhost(host: Host, fact: Fact): void {
  if (!fact.committed || fact.excused !== undefined || isSuperseded(fact)) return;
  if (isDeadAt(fact.sibling, host.disk.floor)) return;
  throw new Violation("ghost_was_alive", `${shortId(host.disk.id)} gives up ${describe(fact)}`);
}

export function checkAlarm(world: World, host: Host, fact: Fact): void {
  if (world.truth.lostSilently.size > 0) return;
  throw new Violation("false_alarm", `${shortId(host.disk.id)} takes ${describe(fact)} for lost silently`);
}

/** After a commit made this record readable. An incomplete node may show a ghost until a complete one tells it. */
export function checkShown(world: World, host: Host, key: string): void {
  const record = host.disk.records.get(key);
  if (record === undefined || world.truth.purgesForgotten) return;
  const hidden = host.hidden.get(key) ?? new Set<Fact>();
  host.hidden.set(key, hidden);
  for (const sibling of record.siblings) {
    const fact = world.truth.of(sibling);
    if (!isComplete(world, host) || !isLive(sibling, wallMs(world, host))) continue;
    if (hidden.has(fact) && fact.excused === undefined) {
      throw new Violation("seen_again", `${shortId(host.disk.id)} shows ${describe(fact)} again`);
    }
  }
  for (const covered of everythingIn(world.truth, record.siblings)) {
    if (!record.siblings.includes(covered.sibling)) hidden.add(covered);
  }
}

/** When a write was applied: `removed` are the siblings that went. */
export function checkWrite(
  world: World,
  host: Host,
  sibling: Sibling,
  seen: ReadonlySet<Fact>,
  removed: readonly Sibling[],
): void {
  const at = shortId(host.disk.id);
  if (world.truth.isKnown(sibling)) {
    throw new Violation("version_twice", `${at} issues ${shortTime(sibling.version.time)} again`);
  }
  for (const fact of seen) {
    if (compareVersions(fact.sibling.version, sibling.version) < 0) continue;
    throw new Violation(
      "version_below_context",
      `${at} writes at ${shortTime(sibling.version.time)}, below ${describe(fact)}`,
    );
  }
  for (const old of removed) {
    const fact = world.truth.of(old);
    // A node's next write to a key covers its own purged ones, which is no loss.
    if (seen.has(fact) || fact.excused !== undefined || isDeadAt(old, highestFloor(world))) continue;
    throw new Violation("overwritten_unseen", `a write at ${at} removes ${describe(fact)}`);
  }
}

/** The digest of a record: its sibling versions, nothing else. */
export function digestOf(record: KeyRecord | undefined): string {
  return record?.siblings.map(({ version }) => `${version.time}-${version.node}`).join() ?? "";
}

export function rootOf(host: Host): string {
  const keys = [...host.disk.records.keys()].sort();
  return keys.map((key) => `${key}=${digestOf(host.disk.records.get(key))}`).join("|");
}

/** After every fault has ended and the nodes have talked for a while. */
export function checkEnd(world: World): void {
  const live = [...world.hosts.values()].filter(
    (host) => host.up && !host.over && !world.truth.forgotten.has(host.disk.id),
  );
  const first = live[0];
  if (first === undefined) return;
  for (const host of live) {
    if (rootOf(host) === rootOf(first)) continue;
    const roots = live.map((other) => `${shortId(other.disk.id)} ${rootOf(other)}`);
    throw new Violation("diverged", roots.join("  "));
  }
  const facts = [...world.truth.facts.values()].filter(
    (fact) => fact.committed && fact.excused === undefined,
  );
  for (const fact of facts) checkFactAtEnd(world, first, fact);
  for (const host of live) checkProgress(world, host, live, facts);
}

function checkFactAtEnd(world: World, host: Host, fact: Fact): void {
  const held = holdsFact(host, fact);
  if (!held && !isSuperseded(fact) && !isDeadAt(fact.sibling, host.disk.floor)) {
    throw new Violation("lost_write", describe(fact));
  }
  const superseded = [...fact.coveredBy].some((other) => other.committed && other.excused === undefined);
  if (world.truth.purgesForgotten || isDeadAt(fact.sibling, host.disk.floor)) return;
  if (held && superseded) throw new Violation("resurrected", describe(fact));
}

function checkProgress(world: World, host: Host, live: readonly Host[], facts: readonly Fact[]): void {
  const at = shortId(host.disk.id);
  const ids = new Set(live.map((other) => other.disk.id));
  for (const [id, standing] of host.disk.table) {
    if (standing === "retired" || ids.has(id)) continue;
    if (world.truth.succeeded.has(id)) throw new Violation("watermark_stuck", `${at} counts ${shortId(id)}`);
    return;
  }
  if (!isComplete(world, host)) throw new Violation("incomplete_for_good", at);
  for (const fact of facts) {
    if (fact.sibling.version.time <= host.disk.watermark) continue;
    throw new Violation(
      "watermark_stuck",
      `${at} W=${shortTime(host.disk.watermark)} below ${describe(fact)}`,
    );
  }
}
