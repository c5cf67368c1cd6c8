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
 * 4. A complete node holds at or below its floor exactly what is right: everything that nothing covers, and nothing
 *    else. The vector cannot say that, because it says what is not missing and not what should not be there. So
 *    completeness is a bit that a founder has, and that others get by an exchange with a complete node, or by a
 *    watermark which they take themselves while no counted member is complete.
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
import type { Standing } from "./admission.ts";
import { type Agreement, NO_AGREEMENT } from "./agreement.ts";
import { floorUnder } from "./floor.ts";
import type {
  CompletenessEvent,
  CompletenessState,
  CompletenessUnit,
  CountedMembers,
  ExchangeBegin,
  ExchangeOffer,
  ExchangeProof,
} from "./terms.ts";

export class Completeness {
  readonly #self: NodeId;
  readonly #retention: HlcTime;
  readonly #vector: Map<NodeId, HlcTime>;
  readonly #units: Map<NodeId, CompletenessUnit> = new Map();
  #recorded: boolean;
  #complete: boolean;
  #completeFloor: HlcTime;
  #floor: HlcTime;
  #watermark: HlcTime;
  #agreement: Agreement = NO_AGREEMENT;
  #settledAt: HlcTime;
  #epoch = 0;
  #disturbances = 0;
  /** Who held the watermark back when all were last looked at. */
  #slowest: NodeId | undefined;
  #kept: { readonly ids: readonly NodeId[]; readonly set: ReadonlySet<NodeId> } = { ids: [], set: new Set() };
  /** The members the last unit was made for; undefined when the next one may lack any of them. */
  #countedInUnit: readonly NodeId[] | undefined;

  /** @param retention by how much at least the floor trails the watermark, in clock ticks */
  constructor(self: NodeId, retention: HlcTime, state: CompletenessState) {
    this.#self = self;
    this.#retention = retention;
    this.#vector = new Map(state.vector);
    this.#recorded = state.recorded;
    this.#complete = state.complete;
    this.#completeFloor = state.completeFloor;
    this.#floor = state.floor;
    this.#watermark = state.watermark;
    this.#settledAt = state.settledAt;
  }

  get state(): CompletenessState {
    return {
      vector: new Map(this.#vector),
      recorded: this.#recorded,
      complete: this.#complete,
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

  /** The greatest watermark that was computed here, with this node's own unit in it, in this run. One that was adopted is none. */
  get agreement(): Agreement {
    return this.#agreement;
  }

  /** Node by node, through which time all that it held is held or covered here. */
  get vector(): ReadonlyMap<NodeId, HlcTime> {
    return this.#vector;
  }

  /** Purging and the ghost rule act at or below this time. */
  get floor(): HlcTime {
    return this.#floor;
  }

  /** Whether this node holds exactly what is right up to its floor, so that it may judge what lies below. */
  get complete(): boolean {
    return this.#complete;
  }

  /** A majority of the others has this node on disk, or it founded the cluster. */
  get recorded(): boolean {
    return this.#recorded;
  }

  /** A majority of the others has this node on disk. */
  recordedByMajority(): void {
    this.#recorded = true;
  }

  /**
   * What this node has known so far rests on its own word, and there are others that it did not know of: none of it is said to them. It
   * knows as much as one that has yet to join.
   */
  startOver(): void {
    this.#epoch += 1;
    this.#vector.clear();
    this.#units.clear();
    this.#agreement = NO_AGREEMENT;
    this.#countedInUnit = undefined;
    this.#slowest = undefined;
    [this.#recorded, this.#complete] = [false, false];
    [this.#completeFloor, this.#floor, this.#watermark] = [0, 0, 0];
  }

  /** To be noted at the start of an exchange, before everything accepted so far is flushed and the root is taken. */
  begin(): ExchangeBegin {
    return { epoch: this.#epoch, floor: this.#floor, disturbances: this.#disturbances };
  }

  /**
   * A live version at or below the floor was taken from a peer that cannot judge it. A complete node takes one only in the place
   * of what is damaged here, and is not complete any more; that has to be durable with what was taken.
   */
  disturbed(): CompletenessEvent[] {
    this.#disturbances += 1;
    return this.#becomeIncomplete();
  }

  /** Whether claims that began then are void by now. */
  isVoid({ epoch }: ExchangeBegin): boolean {
    return epoch !== this.#epoch;
  }

  /** What to offer in an exchange that starts now; to be taken before the root is computed. */
  offer(ownTime: HlcTime): ExchangeOffer {
    return { time: ownTime, vector: new Map(this.#vector).set(this.#self, ownTime) };
  }

  /**
   * An exchange with a counted peer was completed, everything it brought is committed, and everything the peer has
   * refused is dropped. Where the peer was complete, at the floor at which this node stood and stands, this node is
   * from now on: it holds at or below the floor what the peer holds, unless others have brought something.
   * @param standing where the peer stood when it made the offer
   * @param begun noted when the exchange began
   */
  exchanged(peer: NodeId, offer: ExchangeOffer, standing: Standing, begun: ExchangeBegin): ExchangeProof {
    if (this.isVoid(begun)) return "nothing";
    for (const [node, time] of offer.vector) this.#raise(node, time);
    this.#raise(peer, offer.time);
    const isTold = standing.complete && standing.floor === this.#floor && offer.time > 0;
    const isAsItWas = begun.floor === this.#floor && begun.disturbances === this.#disturbances;
    if (!isTold || !isAsItWas || !this.#recorded) return "held";
    this.#becomeComplete();
    return "exact";
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
    if (last !== undefined && this.#lacksCountedInUnit(members)) return last;
    const completeThrough = this.completeThrough(members, ownTime);
    this.#completeFloor = Math.max(this.#completeFloor, completeThrough);
    const unit: CompletenessUnit = {
      sequence,
      completeThrough,
      tableHash: members.tableHash,
      settledAt: this.#settledAt,
      complete: this.#complete,
    };
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
    if (this.#complete && this.#isStillHeldBack(members)) return [];
    let least = Number.POSITIVE_INFINITY;
    let settled = 0;
    let isAnyComplete = this.#complete;
    for (const id of members.ids) {
      const unit = this.#units.get(id);
      if (unit === undefined || unit.tableHash !== members.tableHash || unit.completeThrough < least)
        this.#slowest = id;
      if (unit === undefined || unit.tableHash !== members.tableHash) return [];
      least = Math.min(least, unit.completeThrough);
      settled = Math.max(settled, unit.settledAt);
      isAnyComplete ||= unit.complete;
    }
    if (least < settled || least === Number.POSITIVE_INFINITY) return [];
    if (least > this.#agreement.through) this.#agreement = { through: least, among: this.#kept.set };
    const events = this.adoptWatermark(least);
    if (isAnyComplete || !this.#recorded || least < this.#floor) return events;
    this.#becomeComplete();
    return [...events, { kind: "complete", floor: this.#floor }];
  }

  /**
   * The member that held the watermark back still does, so a look at the others would come to nothing: one look at all for
   * each step of the slowest, and not one for each message.
   */
  #isStillHeldBack({ tableHash }: CountedMembers): boolean {
    const id = this.#slowest;
    if (id === undefined || !this.#kept.set.has(id)) return false;
    const unit = this.#units.get(id);
    return (
      unit === undefined || unit.tableHash !== tableHash || unit.completeThrough <= this.#agreement.through
    );
  }

  /** Takes a watermark another node has computed, or {@link advance} has. */
  adoptWatermark(watermark: HlcTime): CompletenessEvent[] {
    if (!(watermark > this.#watermark) || watermark === Number.POSITIVE_INFINITY) return [];
    this.#watermark = watermark;
    return [{ kind: "watermark", watermark }, ...this.adoptFloor(floorUnder(watermark, this.#retention))];
  }

  /** Takes the larger floor of a peer, or the one that follows from the watermark. */
  adoptFloor(floor: HlcTime): CompletenessEvent[] {
    if (floor <= this.#floor) return [];
    this.#floor = floor;
    return [{ kind: "floor", floor }, ...(this.#completeFloor < floor ? this.#becomeIncomplete() : [])];
  }

  /** The newest unit known of a member. */
  unitOf(node: NodeId): CompletenessUnit | undefined {
    return this.#units.get(node);
  }

  #becomeIncomplete(): CompletenessEvent[] {
    if (!this.#complete) return [];
    this.#complete = false;
    return [{ kind: "incomplete", floor: this.#floor, completeFloor: this.#completeFloor }];
  }

  #becomeComplete(): void {
    this.#complete = true;
    this.#completeFloor = Math.max(this.#completeFloor, this.#floor);
  }

  /** Whether a member that the own unit counts has gone from the table. */
  #lacksCountedInUnit(members: CountedMembers): boolean {
    const before = this.#countedInUnit;
    // The table gives the same list until it changes.
    if (before === undefined || before === members.ids) return false;
    const counted = new Set(members.ids);
    return before.some((id) => !counted.has(id));
  }

  /** Forgetting is safe: a unit is sent again, and a vector entry only says less without it. */
  #keepCounted(members: CountedMembers): void {
    const isSame = this.#kept.ids === members.ids;
    if (!isSame) this.#kept = { ids: members.ids, set: new Set(members.ids) };
    const counted = this.#kept.set;
    // What a stranger has said since takes a place only until there are more of them than members.
    if (isSame && this.#units.size <= counted.size && this.#vector.size <= counted.size) return;
    for (const id of this.#units.keys()) if (!counted.has(id)) this.#units.delete(id);
    for (const id of this.#vector.keys()) if (!counted.has(id)) this.#vector.delete(id);
  }

  #raise(node: NodeId, time: HlcTime): void {
    if (node !== this.#self && time > (this.#vector.get(node) ?? 0)) this.#vector.set(node, time);
  }
}
