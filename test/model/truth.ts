/** What really happened, which no node knows: every write, what it supersedes, who came to hold it and when. */
import {
  compareVersions,
  covers,
  type HlcTime,
  hlcFromMs,
  type NodeId,
  type Sibling,
  sameVersion,
} from "@hearsay/core";
import type { Host, World } from "./state.ts";
import { shortId, shortTime } from "./state.ts";

/** One write. */
export interface Fact {
  readonly key: string;
  readonly sibling: Sibling;
  /** All writes its writer had seen, directly or through others. */
  readonly covers: ReadonlySet<Fact>;
  readonly coveredBy: Set<Fact>;
  /** Committed by its coordinator, and acknowledged. */
  committed: boolean;
  /** Why it may be lost: every copy was, by faults no replica can make good. */
  excused: string | undefined;
}

export class Truth {
  readonly facts: Map<string, Fact> = new Map();
  /** For each incarnation: what its clock had read when its durable state came to hold a write; own ones count from their version on. */
  readonly heldAt: Map<NodeId, Map<Fact, HlcTime>> = new Map();
  /** Retired by an operator's word. */
  readonly forgotten: Set<NodeId> = new Set();
  /** At some time every node was in doubt at once: nobody is left who knows what was purged. */
  purgesForgotten = false;
  /** Replaced by a new incarnation that knew them. */
  readonly succeeded: Set<NodeId> = new Set();
  /** Keys of which a node lost a record without noticing: claims about them cannot hold. */
  readonly lostSilently: Set<string> = new Set();

  record(key: string, sibling: Sibling, seen: ReadonlySet<Fact>): Fact {
    const fact: Fact = {
      key,
      sibling,
      covers: seen,
      coveredBy: new Set(),
      committed: false,
      excused: undefined,
    };
    for (const covered of seen) covered.coveredBy.add(fact);
    this.facts.set(nameOf(sibling), fact);
    return fact;
  }

  isKnown(sibling: Sibling): boolean {
    return this.facts.has(nameOf(sibling));
  }

  of(sibling: Sibling): Fact {
    const fact = this.facts.get(nameOf(sibling));
    if (fact === undefined) throw new Error(`a version nobody wrote: ${nameOf(sibling)}`);
    return fact;
  }

  noteHeld(id: NodeId, fact: Fact, clock: HlcTime): void {
    const { version } = fact.sibling;
    const time = version.node === id ? version.time - 1 : clock;
    const held = this.heldAt.get(id) ?? new Map<Fact, HlcTime>();
    if (held.size === 0) this.heldAt.set(id, held);
    if (!held.has(fact)) held.set(fact, time);
  }

  /** After copies were lost: writes nobody in good standing has any more are no one's fault. */
  excuse(world: World, why: string): void {
    const standing = [...world.hosts.values()].filter(
      (host) => !host.over && !this.forgotten.has(host.disk.id),
    );
    const floor = highestFloor(world);
    // Newest first: what superseded a write has been judged before it.
    const facts = [...this.facts.values()].sort((a, b) =>
      compareVersions(b.sibling.version, a.sibling.version),
    );
    for (const fact of facts) {
      if (!fact.committed || fact.excused !== undefined || isDeadAt(fact.sibling, floor)) continue;
      if ([...fact.coveredBy].some((other) => other.committed && other.excused === undefined)) continue;
      if (!standing.some((host) => holdsOrCovers(host, fact))) fact.excused = why;
    }
  }
}

/** All a holder of these siblings has seen. */
export function everythingIn(truth: Truth, siblings: readonly Sibling[]): Set<Fact> {
  const seen = new Set<Fact>();
  for (const sibling of siblings) {
    const fact = truth.of(sibling);
    seen.add(fact);
    for (const covered of fact.covers) seen.add(covered);
  }
  return seen;
}

export function isSuperseded(fact: Fact): boolean {
  for (const other of fact.coveredBy) if (other.committed) return true;
  return false;
}

/** The floor from which the write is dead by itself; undefined for a value that lives for good. */
export function deadFrom(sibling: Sibling): HlcTime | undefined {
  if (sibling.kind === "tombstone") return sibling.version.time;
  if (sibling.expiresAtMs === null) return undefined;
  return Math.max(sibling.version.time, hlcFromMs(sibling.expiresAtMs));
}

export function isDeadAt(sibling: Sibling, floor: HlcTime): boolean {
  const from = deadFrom(sibling);
  return from !== undefined && from <= floor;
}

export function holdsFact(host: Host, fact: Fact): boolean {
  const record = host.disk.records.get(fact.key);
  return record?.siblings.some((held) => sameVersion(held.version, fact.sibling.version)) ?? false;
}

function holdsOrCovers(host: Host, fact: Fact): boolean {
  const record = host.disk.records.get(fact.key);
  return record !== undefined && covers(record.context, fact.sibling.version);
}

/** Whether a node may lack a write it once had to hold: it, or what superseded it, is dead at the floor. */
export function mayLack(host: Host, fact: Fact, floor: HlcTime): boolean {
  if (holdsOrCovers(host, fact) || fact.excused !== undefined) return true;
  if (isDeadAt(fact.sibling, floor)) return true;
  for (const other of fact.coveredBy) {
    if (!other.committed) continue;
    if (isDeadAt(other.sibling, floor) || holdsOrCovers(host, other)) return true;
  }
  return false;
}

/** What is dead at it may have been purged somewhere, and nobody has to have it any more. */
export function highestFloor(world: World): HlcTime {
  let highest: HlcTime = 0;
  for (const host of world.hosts.values()) highest = Math.max(highest, host.disk.floor);
  return highest;
}

export function describe(fact: Fact): string {
  const { kind, version } = fact.sibling;
  return `${fact.key}:${kind}@${shortTime(version.time)}-${shortId(version.node)}`;
}

function nameOf(sibling: Sibling): string {
  return `${sibling.version.time}-${sibling.version.node}`;
}
