/**
 * What a replica knows about what it holds: the summary vector, completeness, the watermark and the floor.
 *
 * Vector: `V[m] = x` claims that this node's durable state holds or covers everything that m's durable state did
 * when m's clock read x. It moves only by {@link Completeness.exchanged}, which the node calls after everything
 * an exchange brought is committed. Hence the invariants, whose proofs are in docs/protocol.md:
 *
 * 1. A claim is never made early: an exchange that was cut short, or during which this node settled a retirement
 *    (the epoch moved), changes nothing. A node in doubt starts anew, as another incarnation with an empty vector.
 * 2. The watermark is at most every counted member's completeness, as each said it under one and the same member
 *    table and not before its latest retirement was settled; so every write at or below it that is not covered
 *    is held by every counted member. It never moves back.
 * 3. The floor is a function of the watermark alone, never moves back, and is durable before anything is purged.
 *
 * A retirement is settled in two steps. When the node learns of it, it refuses the retired id at once, drops its
 * sessions with it and commits everything accepted from it. Then it calls {@link Completeness.retirementSettled},
 * and only from then on do the {@link CountedMembers} it passes lack that id. A unit made in between would say,
 * under the new table, that nothing of the retired node is on its way any more; so in between the last unit stands.
 *
 * Bound: vector and units are kept for counted members only.
 */
import type { HlcTime } from "../clock.ts";
import type { NodeId } from "../identity.ts";

/** What a node says of itself, as one unit; the unit with the greatest sequence is the one that holds. */
export interface CompletenessUnit {
  /** The node's clock when it made the unit; rises across restarts because the clock does. */
  readonly sequence: HlcTime;
  /** The node holds or covers everything any counted member held at this time. */
  readonly completeThrough: HlcTime;
  /** Hash of the ids and retirements of the member table under which that was computed. */
  readonly tableHash: string;
  /** The node's clock when it had settled the latest retirement it adopted; 0 for none. */
  readonly settledAt: HlcTime;
}

/**
 * What has to survive a restart. Losing a rise of `vector` or `completeFloor` is safe; losing one of the others is
 * not. A node that restarts with retirements in its table settles them again, because it may have stopped before
 * it had. A new incarnation in doubt keeps `watermark` and `floor`, with an empty vector and 0 for `completeFloor`.
 */
export interface CompletenessState {
  readonly vector: ReadonlyMap<NodeId, HlcTime>;
  /** Greatest completeness since this node last doubted itself (F). */
  readonly completeFloor: HlcTime;
  readonly floor: HlcTime;
  readonly watermark: HlcTime;
  readonly settledAt: HlcTime;
}

export const INITIAL_COMPLETENESS: CompletenessState = {
  vector: new Map(),
  completeFloor: 0,
  floor: 0,
  watermark: 0,
  settledAt: 0,
};

/** What a node offers at the start of an exchange, as of the moment it took its root. */
export interface ExchangeOffer {
  readonly time: HlcTime;
  readonly vector: ReadonlyMap<NodeId, HlcTime>;
}

/** The member table as far as completeness is concerned; a retirement shows in it once it is settled. */
export interface CountedMembers {
  /** All ids that are not retired, this node's own among them. */
  readonly ids: readonly NodeId[];
  readonly tableHash: string;
}

export type CompletenessEvent =
  | { readonly kind: "watermark"; readonly watermark: HlcTime }
  | { readonly kind: "floor"; readonly floor: HlcTime }
  /** A floor above what this node has confirmed was adopted on a peer's word: it has to catch up first. */
  | { readonly kind: "incomplete"; readonly floor: HlcTime; readonly completeFloor: HlcTime };

export interface HeldBack {
  readonly node: NodeId;
  readonly reason: "silent" | "other_table" | "behind" | "unsettled";
  readonly completeThrough: HlcTime;
}

export class Completeness {
  readonly #self: NodeId;
  readonly #retention: HlcTime;
  readonly #vector: Map<NodeId, HlcTime>;
  readonly #units: Map<NodeId, CompletenessUnit> = new Map();
  #completeFloor: HlcTime;
  #floor: HlcTime;
  #watermark: HlcTime;
  #agreed: HlcTime = 0;
  #settledAt: HlcTime;
  #epoch = 0;
  /** The members the last unit was made for; undefined when the next one may lack any of them. */
  #countedInUnit: readonly NodeId[] | undefined;

  /** @param retention how far the floor trails the watermark, in clock ticks */
  constructor(self: NodeId, retention: HlcTime, state: CompletenessState) {
    this.#self = self;
    this.#retention = retention;
    this.#vector = new Map(state.vector);
    this.#completeFloor = state.completeFloor;
    this.#floor = state.floor;
    this.#watermark = state.watermark;
    this.#settledAt = state.settledAt;
  }

  get state(): CompletenessState {
    return {
      vector: new Map(this.#vector),
      completeFloor: this.#completeFloor,
      floor: this.#floor,
      watermark: this.#watermark,
      settledAt: this.#settledAt,
    };
  }

  /** *Complete through*: every write at or before it is on every counted member. */
  get watermark(): HlcTime {
    return this.#watermark;
  }

  /**
   * The greatest watermark that was computed here with this node's own unit in it, in this run: this node too holds
   * every write at or before it that is not covered. One that was adopted says so only of those who made it.
   */
  get agreed(): HlcTime {
    return this.#agreed;
  }

  /** Node by node, through which time all that it held is held or covered here. */
  get vector(): ReadonlyMap<NodeId, HlcTime> {
    return this.#vector;
  }

  /** Purging and the ghost rule act at or below this time. */
  get floor(): HlcTime {
    return this.#floor;
  }

  /** Whether this node has confirmed everything up to its floor, so that it may judge what lies below. */
  get complete(): boolean {
    return this.#completeFloor >= this.#floor;
  }

  /** Rises when claims under way have become void; an exchange notes it at its start. */
  get epoch(): number {
    return this.#epoch;
  }

  /** What to offer in an exchange that starts now; to be taken before the root is computed. */
  offer(ownTime: HlcTime): ExchangeOffer {
    return { time: ownTime, vector: new Map(this.#vector).set(this.#self, ownTime) };
  }

  /**
   * An exchange with a counted peer was completed and everything it brought is committed.
   * @param epoch the one noted when the exchange began
   * @returns false when the epoch has moved and the exchange therefore proves nothing
   */
  exchanged(peer: NodeId, offer: ExchangeOffer, epoch: number): boolean {
    if (epoch !== this.#epoch) return false;
    for (const [node, time] of offer.vector) this.#raise(node, time);
    this.#raise(peer, offer.time);
    return true;
  }

  /**
   * A retirement was adopted, sessions with that id are dropped and all it sent is committed, at this time.
   * The time is a fresh tick, and durable with the state before the next unit leaves the node.
   */
  retirementSettled(now: HlcTime): void {
    this.#epoch += 1;
    this.#settledAt = Math.max(this.#settledAt, now);
    this.#units.delete(this.#self);
    this.#countedInUnit = undefined;
  }

  /** Everything any counted member held at this time is held or covered here. */
  completeThrough(members: CountedMembers, ownTime: HlcTime): HlcTime {
    let least = ownTime;
    for (const id of members.ids) {
      if (id !== this.#self) least = Math.min(least, this.#vector.get(id) ?? 0);
    }
    return least;
  }

  /**
   * This node's unit as of now, also kept as its own entry for the watermark. While a member has gone from the
   * table and its retirement is not settled, the last unit, which stays true.
   */
  unit(members: CountedMembers, ownTime: HlcTime, sequence: HlcTime): CompletenessUnit {
    const last = this.#units.get(this.#self);
    if (last !== undefined && this.#countedInUnit?.some((id) => !members.ids.includes(id))) return last;
    const completeThrough = this.completeThrough(members, ownTime);
    this.#completeFloor = Math.max(this.#completeFloor, completeThrough);
    const unit = { sequence, completeThrough, tableHash: members.tableHash, settledAt: this.#settledAt };
    this.#units.set(this.#self, unit);
    this.#countedInUnit = members.ids;
    return unit;
  }

  /** Takes a peer's unit, unless a newer one of it is known. */
  absorb(node: NodeId, unit: CompletenessUnit): void {
    if (node === this.#self || unit.sequence <= (this.#units.get(node)?.sequence ?? -1)) return;
    this.#units.set(node, unit);
  }

  /** Raises the watermark and the floor as far as the units allow. */
  advance(members: CountedMembers): CompletenessEvent[] {
    this.#keepCounted(members);
    let least = Number.POSITIVE_INFINITY;
    let settled = 0;
    for (const id of members.ids) {
      const unit = this.#units.get(id);
      if (unit === undefined || unit.tableHash !== members.tableHash) return [];
      least = Math.min(least, unit.completeThrough);
      settled = Math.max(settled, unit.settledAt);
    }
    if (least < settled) return [];
    if (least !== Number.POSITIVE_INFINITY) this.#agreed = Math.max(this.#agreed, least);
    return this.adoptWatermark(least);
  }

  /** Takes a watermark another node has computed, or {@link advance} has. */
  adoptWatermark(watermark: HlcTime): CompletenessEvent[] {
    if (!(watermark > this.#watermark) || watermark === Number.POSITIVE_INFINITY) return [];
    this.#watermark = watermark;
    return [{ kind: "watermark", watermark }, ...this.adoptFloor(watermark - this.#retention)];
  }

  /** Takes the larger floor of a peer, or the one that follows from the watermark. */
  adoptFloor(floor: HlcTime): CompletenessEvent[] {
    if (floor <= this.#floor) return [];
    const wasComplete = this.complete;
    this.#floor = floor;
    const events: CompletenessEvent[] = [{ kind: "floor", floor }];
    if (wasComplete && !this.complete) {
      events.push({ kind: "incomplete", floor, completeFloor: this.#completeFloor });
    }
    return events;
  }

  /** Which members keep the watermark where it is, for people. */
  heldBackBy(members: CountedMembers): HeldBack[] {
    let settled = this.#settledAt;
    for (const id of members.ids) settled = Math.max(settled, this.#units.get(id)?.settledAt ?? 0);
    const held: HeldBack[] = [];
    for (const node of members.ids) {
      const unit = this.#units.get(node);
      const completeThrough = unit?.completeThrough ?? 0;
      if (unit === undefined) held.push({ node, reason: "silent", completeThrough });
      else if (unit.tableHash !== members.tableHash)
        held.push({ node, reason: "other_table", completeThrough });
      else if (completeThrough < settled) held.push({ node, reason: "unsettled", completeThrough });
      else if (completeThrough <= this.#watermark) held.push({ node, reason: "behind", completeThrough });
    }
    return held;
  }

  /** The newest unit known of a member. */
  unitOf(node: NodeId): CompletenessUnit | undefined {
    return this.#units.get(node);
  }

  /** Forgetting is safe: a unit is sent again, and a vector entry only says less without it. */
  #keepCounted(members: CountedMembers): void {
    const counted = new Set(members.ids);
    for (const id of this.#units.keys()) if (!counted.has(id)) this.#units.delete(id);
    for (const id of this.#vector.keys()) if (!counted.has(id)) this.#vector.delete(id);
  }

  #raise(node: NodeId, time: HlcTime): void {
    if (node !== this.#self && time > (this.#vector.get(node) ?? 0)) this.#vector.set(node, time);
  }
}
