/**
 * The ledger of all writes: what was written, what each write covers, and what became of it. It is made from what clients
 * send and are answered, so a history recorded from outside fills it as well as a simulation does.
 */
import {
  type ClientContext,
  clientContextCovers,
  type HlcTime,
  hlcFromMs,
  type NodeId,
  type Version,
} from "@hearsay/core";

/** `open`: nothing was answered yet. `unknown`: it may have happened. `failed`: it has not, and never will. */
export type Outcome = "open" | "acknowledged" | "unknown" | "failed";

export interface WriteFacts {
  readonly key: string;
  readonly version: Version;
  /** Undefined for a deletion. */
  readonly text: string | undefined;
  readonly expiresAtMs: number | null;
  /** What the writer had seen; of a write without a context: the whole context of what its node held. */
  readonly covered: ClientContext;
  /**
   * Its node could not read the record it wrote over: it covers the versions that were known to be there, and not what those had
   * covered (docs/store.md, Damage).
   */
  readonly isOverDamage?: boolean;
}

/** Of every value that is written in a simulation. */
export const CONTENT_TYPE = "text/plain";

export interface Write extends WriteFacts {
  outcome: Outcome;
  readonly superseders: Superseders;
  /** Replicas that hold or cover it on disk, as far as anybody has looked. */
  readonly holders: Set<string>;
  /** It was on some disk at some time. */
  wasHeld: boolean;
  /** The last replica that held it was lost or given up by an operator: nobody can be asked for it. */
  isExcused: boolean;
  /**
   * A replica has held or covered it, and forgotten that without a trace: whoever relies on that one's word is wrong about this
   * write, until somebody who has it brings it back.
   */
  isForgotten: boolean;
  /** It was purged, then every counted member came into doubt, and what it covers was there: nobody knew any better. */
  isUndone: boolean;
  /** It fell off a record of more siblings than are kept. */
  isDropped: boolean;
}

/** Later writes of a key that cover one of it, in the order of their issue. Looked for when somebody asks, as for most nobody does. */
export class Superseders {
  readonly #version: Version;
  /** All writes of the key, and how many of them were looked at. */
  readonly #ofKey: readonly Write[];
  #looked: number;
  readonly #found: Write[] = [];

  constructor(version: Version, ofKey: readonly Write[]) {
    this.#version = version;
    this.#ofKey = ofKey;
    this.#looked = ofKey.length;
  }

  find(is: (later: Write) => boolean): Write | undefined {
    const known = this.#found.find(is);
    if (known !== undefined) return known;
    while (this.#looked < this.#ofKey.length) {
      const later = this.#ofKey[this.#looked];
      this.#looked += 1;
      if (later === undefined || !clientContextCovers(later.covered, this.#version)) continue;
      this.#found.push(later);
      if (is(later)) return later;
    }
    return undefined;
  }

  some(is: (later: Write) => boolean): boolean {
    return this.find(is) !== undefined;
  }

  all(): readonly Write[] {
    this.find(() => false);
    return this.#found;
  }
}

export class WriteLedger {
  readonly #byKey: Map<string, Write[]> = new Map();
  readonly #standing: Map<string, readonly Write[]> = new Map();
  readonly #all: Write[] = [];
  /** By node, then by time. */
  readonly #byVersion: Map<NodeId, Map<HlcTime, Write>> = new Map();
  /** In the order of their times. */
  readonly #byNode: Map<NodeId, Write[]> = new Map();

  get size(): number {
    return this.#all.length;
  }

  all(): Iterable<Write> {
    return this.#all;
  }

  keys(): Iterable<string> {
    return this.#byKey.keys();
  }

  /** Writes of a key in the order they were issued. */
  of(key: string): readonly Write[] {
    return this.#byKey.get(key) ?? [];
  }

  /** Writes of a node above the first time, up to the second, newest first. */
  *between(node: NodeId, from: HlcTime, to: HlcTime): Iterable<Write> {
    const writes = this.#byNode.get(node) ?? [];
    for (let i = writes.length - 1; i >= 0; i--) {
      const write = writes[i];
      if (write === undefined || write.version.time <= from) return;
      if (write.version.time <= to) yield write;
    }
  }

  /** Of {@link of}, the values that were not given up, and that no write covers of which it is certain that it came about. */
  standing(key: string): readonly Write[] {
    const standing = this.#standing.get(key) ?? [];
    const left = standing.filter((write) => !isDoneWith(write));
    if (left.length < standing.length) this.#standing.set(key, left);
    return left;
  }

  /** All writes for which {@link isCountedOn} holds: few of {@link all}, and found without a look at the others. */
  *countedOn(): Iterable<Write> {
    for (const key of this.#byKey.keys())
      for (const write of this.standing(key)) if (isCountedOn(write)) yield write;
  }

  find({ time, node }: Version): Write | undefined {
    return this.#byVersion.get(node)?.get(time);
  }

  /**
   * Enters a write.
   * @returns undefined when its node has issued this version, or a later one that came about, before
   */
  issue(facts: WriteFacts): Write | undefined {
    const { key, version } = facts;
    const own = this.#byNode.get(version.node) ?? [];
    if (version.time <= (own.at(-1)?.version.time ?? -1)) return undefined;
    const ofKey = this.#byKey.get(key) ?? [];
    const write: Write = {
      ...facts,
      outcome: "open",
      superseders: new Superseders(version, ofKey),
      holders: new Set(),
      wasHeld: false,
      isExcused: false,
      isForgotten: false,
      isUndone: false,
      isDropped: false,
    };
    ofKey.push(write);
    own.push(write);
    this.#byKey.set(key, ofKey);
    this.#standing.set(key, [...(this.#standing.get(key) ?? []), write]);
    this.#byNode.set(version.node, own);
    this.#enter(write);
    return write;
  }

  /** What had its version before, and never came about, gives it its place. */
  #enter(write: Write): void {
    const { node, time } = write.version;
    const versions = this.#byVersion.get(node) ?? new Map<HlcTime, Write>();
    const before = versions.get(time);
    if (before === undefined) this.#all.push(write);
    else this.#all[this.#all.indexOf(before)] = write;
    versions.set(time, write);
    this.#byVersion.set(node, versions);
  }

  /**
   * A node has begun another run under the id it had. What of its writes is on no disk by now was shown to nobody, and
   * never will be; its version may be issued again.
   */
  restarted(node: NodeId): void {
    const kept: Write[] = [];
    for (const write of this.#byNode.get(node) ?? []) {
      if (write.wasHeld || write.outcome === "acknowledged") kept.push(write);
      else write.outcome = "failed";
    }
    this.#byNode.set(node, kept);
  }
}

/** Whether nobody has to hold the write any more, whatever happens. */
function isDoneWith({ text, isExcused, isDropped, outcome, superseders }: Write): boolean {
  if (text === undefined || isExcused || isDropped || outcome === "failed" || outcome === "unknown")
    return true;
  // One that nobody has acknowledged may still turn out never to have come about.
  return superseders.some((later) => later.outcome === "acknowledged");
}

/** Whether a later write, of which it is not certain that it failed, covers this one, or it fell off. */
export function isSuperseded(write: Write): boolean {
  return write.isDropped || write.superseders.some(({ outcome }) => outcome !== "failed");
}

/**
 * Whether it was given up on the word of a replica that had forgotten it without a trace, or what covers it. What never reached a disk
 * covers nothing, as a write that went with its node.
 */
export function wasGivenUpWrongly({ isForgotten, superseders }: Write): boolean {
  const isCovered = superseders.some(({ isExcused, wasHeld }) => wasHeld && !isExcused);
  return superseders.some((later) => later.isForgotten) || (isForgotten && !isCovered);
}

/** Whether all that covered it was undone. */
export function isRevived({ superseders }: Write): boolean {
  const covering = superseders.all().filter(({ outcome }) => outcome === "acknowledged");
  return covering.length > 0 && covering.every(({ isUndone }) => isUndone);
}

/** Whether it has to be somewhere: a value for good that was acknowledged, and neither replaced, given up nor forgotten since. */
export function isCountedOn(write: Write): boolean {
  if (write.outcome !== "acknowledged" || write.isExcused || write.isForgotten) return false;
  return purgeTime(write) === undefined && !isSuperseded(write);
}

/** From when on the write alone may be purged; undefined for a value that lives for good. */
export function purgeTime(write: Write): HlcTime | undefined {
  if (write.text === undefined) return write.version.time;
  return write.expiresAtMs === null ? undefined : Math.max(write.version.time, hlcFromMs(write.expiresAtMs));
}

export function describeWrite(write: Write): string {
  return `${describeContent(write)} of ${write.key} at ${describeVersion(write.version)}`;
}

/** Everywhere in the same words, so that what a violation names is found in the trace. */
export function describeVersion({ time, node }: Version): string {
  return `${time} by ${node}`;
}

export function describeContent({ text }: Write): string {
  return text === undefined ? "the deletion" : `"${shorten(text)}"`;
}

const SHOWN = 16;

function shorten(text: string): string {
  return text.length <= SHOWN ? text : `${text.slice(0, SHOWN)}…`;
}
