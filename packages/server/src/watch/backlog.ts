/**
 * What a new reader has to be told before it can be told of what happens from now on.
 *
 * A reader of this node goes on in the log behind its cursor. One of another node does so too when its cursor claims all
 * that is not in the log. Otherwise every record under the prefix is looked at, and those whose winner is claimed are left
 * out; the log then has what happened meanwhile. Should that have fallen out of the log, the look is repeated for what the
 * node held when the one before began.
 */
import {
  type Claims,
  type HlcTime,
  hlcFromMs,
  isClaimed,
  isLive,
  type KeyRecord,
  NO_CLAIMS,
  type NodeId,
  type WatchCursor,
  winner,
} from "@hearsay/core";
import { ApiProblem } from "../http/problem.ts";
import { storedState, WatchedChange } from "./changes.ts";
import type { WatchHub } from "./hub.ts";

/** Records read at one time. */
const SCAN_ENTRIES = 256;
/** Changes told at one time; fewer when their values are large. */
const TAKE_CHANGES = 256;
const TAKE_BYTES = 512 * 1024;

/** Why a cursor does not help any more. */
export type Void = "cursor_too_old" | "unknown_node";

/**
 * Deletions that a reader has not heard of may have been purged: those at or below the floor, when its cursor claims less
 * and the log does not have them; and values that expired by then. A node that is no member is one that lost writes, or
 * left, or belonged to another cluster of that name.
 */
export function voidReason(
  hub: WatchHub,
  cursor: WatchCursor,
  isMember: (id: NodeId) => boolean,
): Void | undefined {
  const isOwn = cursor.issuer === hub.self;
  if (!isOwn && !isMember(cursor.issuer)) return "unknown_node";
  const { floor } = hub.standing();
  const isInLog = isOwn && hub.log.positionAfter(cursor.sequence) !== undefined;
  const isTooOld = hlcFromMs(cursor.expiredThroughMs) < floor || (!isInLog && cursor.claims.base < floor);
  return isTooOld ? "cursor_too_old" : undefined;
}

/** What a reader knows before a look at the records. */
export interface Known {
  readonly claims: Claims;
  /** It was told of values that expired up to then. */
  readonly expiredThroughMs: number;
  /** It knows keys of the prefix, so that it has to hear of deletions. */
  readonly anything: boolean;
  /** Of what was deleted or had expired by then it has heard. Once the floor is above it, the rest may have been purged. */
  readonly heardThrough: HlcTime;
}

const NOTHING: Known = {
  claims: NO_CLAIMS,
  expiredThroughMs: 0,
  anything: false,
  heardThrough: Number.POSITIVE_INFINITY,
};

export function knownOf({ claims, expiredThroughMs }: WatchCursor): Known {
  const heardThrough = Math.min(claims.base, hlcFromMs(expiredThroughMs));
  return { claims, expiredThroughMs, anything: true, heardThrough };
}

/** Changes, or why all that the reader knows is void; then everything there is follows. */
export type Part = readonly WatchedChange[] | Void;

export class Backlog {
  readonly #hub: WatchHub;
  readonly #prefix: string;
  #position = 0;
  /** Entries of the log before it may be of what the reader's cursor claims; none are of what it knows by its sequence. */
  #claimedBefore = 0;
  #claims: Claims = NO_CLAIMS;
  /**
   * What it knows for certain once the look that is under way has ended. Without one, nothing: of a key that this node told
   * of, an older state may be what the reader knows now.
   */
  #knownThen: Known = { ...NOTHING, anything: true };

  constructor(hub: WatchHub, prefix: string) {
    this.#hub = hub;
    this.#prefix = prefix;
  }

  /**
   * All but what has happened since; that is {@link Backlog.take}'s. A part may be empty.
   * @param since undefined: everything there is
   */
  async *stored(since: WatchCursor | undefined): AsyncGenerator<Part> {
    if (since === undefined) {
      yield* this.#look(NOTHING);
      return;
    }
    const { expiredThroughMs } = since;
    const position = this.#inLog(since);
    if (position === undefined) {
      yield* this.#look(knownOf(since));
      return;
    }
    this.#position = position;
    this.#knownThen = { ...knownOf(since), claims: NO_CLAIMS, expiredThroughMs: 0 };
    const nowMs = this.#hub.nowMs();
    for await (const change of this.#hub.expiries.between(this.#prefix, expiredThroughMs, nowMs))
      yield [change];
    yield* this.#anewAbove(hlcFromMs(expiredThroughMs));
  }

  /** Everything that is newer than what the reader knows: by default, that the look before cannot have seen. */
  async *again(known: Known = this.#knownThen): AsyncGenerator<Part> {
    yield* this.#look(known);
  }

  /** Of the next change in the log that {@link Backlog.take} tells. */
  get position(): number {
    return this.#position;
  }

  /** Leaves out what the log has before the position. */
  goTo(position: number): void {
    this.#position = position;
  }

  /**
   * The next changes from the log, as their keys are now; empty once there are none. To join the hub in the turn in which
   * it is empty leaves no gap. Undefined when the log has not got them any more: {@link Backlog.again} makes up for it.
   * @throws ApiProblem `not_ready`: something was damaged, so that a look may have left it out
   */
  take(): readonly WatchedChange[] | undefined {
    const { log, store, isAbandoned } = this.#hub;
    if (isAbandoned) throw new ApiProblem("not_ready", { detail: "It found damage, and starts again." });
    if (this.#position < log.start) return undefined;
    const changes = new Map<string, WatchedChange>();
    const nowMs = this.#hub.nowMs();
    let bytes = 0;
    for (; this.#position < log.end; this.#position++) {
      if (changes.size >= TAKE_CHANGES || bytes >= TAKE_BYTES) break;
      const entry = log.at(this.#position);
      if (!entry?.key.startsWith(this.#prefix) || changes.has(entry.key)) continue;
      const { key, version } = entry;
      const record = storedState(store, key);
      if (record === "damaged" || this.#isClaimed(record)) continue;
      const isGone = record === "none";
      const change = isGone ? WatchedChange.gone(key, version, nowMs) : WatchedChange.of(key, record, nowMs);
      changes.set(key, change);
      bytes += change.bytes;
    }
    return [...changes.values()];
  }

  /**
   * What came later is told in any case: of a key that was told of in between, what a cursor from elsewhere claims is news
   * again.
   */
  #isClaimed(record: KeyRecord | "none"): boolean {
    if (record === "none" || this.#position >= this.#claimedBefore) return false;
    return isClaimed(this.#claims, winner(record).version, this.#hub.standing().table);
  }

  #inLog({ issuer, sequence, claims }: WatchCursor): number | undefined {
    const { log, self } = this.#hub;
    const position = issuer === self ? log.positionAfter(sequence) : undefined;
    if (position !== undefined) return position;
    if (!log.completes(claims, this.#hub.standing().table)) return undefined;
    this.#claimedBefore = log.end;
    this.#claims = claims;
    return log.start;
  }

  /** While it was read by a slow reader, deletions that this one had to hear of may have been purged. */
  async *#anewAbove(heardThrough: HlcTime): AsyncGenerator<Part> {
    if (this.#hub.standing().floor <= heardThrough) return;
    yield "cursor_too_old";
    yield* this.#look(NOTHING);
  }

  async *#look(known: Known): AsyncGenerator<Part> {
    const { log, store, scans } = this.#hub;
    this.#hub.count("scans");
    this.#position = log.end;
    const { table, floor, isCaughtUp } = this.#hub.standing();
    const then = knownOf(this.#hub.moment().cursor);
    // Who is complete holds all that was deleted by the floor: none of that comes later.
    this.#knownThen = { ...then, heardThrough: Math.max(then.heardThrough, isCaughtUp ? floor : 0) };
    let after: string | undefined;
    do {
      const range = { prefix: this.#prefix, after, limit: SCAN_ENTRIES };
      const chunk = await scans.run(() => store.scan(range));
      const nowMs = this.#hub.nowMs();
      const changes = chunk.entries
        .filter(({ record }) => isNews(record, known, table, nowMs))
        .map(({ key, record }) => WatchedChange.of(key, record, nowMs));
      yield changes;
      after = chunk.next;
    } while (after !== undefined);
    yield* this.#anewAbove(known.heardThrough);
  }
}

function isNews(record: KeyRecord, known: Known, table: string, nowMs: number): boolean {
  const value = winner(record);
  const isThere = isLive(value, nowMs);
  if (!isThere && !known.anything) return false;
  // Where the clock was set back, the reader may have been told that something has expired that has not.
  return !isClaimed(known.claims, value.version, table) || isThere !== isLive(value, known.expiredThroughMs);
}
