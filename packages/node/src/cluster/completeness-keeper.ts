/**
 * Keeps what the node knows about its completeness: durable across restarts, in step with the member table, and
 * in the right order with purging.
 *
 * Order: a floor is durable before anything is purged to it, and the settling of a retirement before a unit says so;
 * until then the members of before the retirement stand.
 */
import {
  BOUND_TO_MAX,
  Completeness,
  type CompletenessEvent,
  type CompletenessUnit,
  type CountedMembers,
  type HeldBack,
  type HlcTime,
  heldBackBy,
  type NodeId,
} from "@hearsay/core";
import { PeerFault } from "../peer-fault.ts";
import { logCompleteness } from "./completeness-log.ts";
import type { KeeperPorts } from "./keeper-ports.ts";
import {
  type Beginning,
  type Entry,
  NO_ENTRY,
  readCompleteness,
  storeCompleteness,
} from "./stored-completeness.ts";

/** Records that go in one step; between steps other work has its turn. */
const PURGE_STEP = 1000;

export class CompletenessKeeper {
  readonly completeness: Completeness;
  readonly #self: NodeId;
  readonly #ports: KeeperPorts;
  #counted: CountedMembers;
  #hasBelonged: boolean;
  #isOutside: boolean;
  #isAloneInDoubt: boolean;
  #entry: Entry;
  #isLetIn: boolean;
  #lettingIn: Promise<void> = Promise.resolve();
  #isOver = false;
  /** Retirements that are being settled, one after the other. */
  #settling: Promise<void> = Promise.resolve();
  #unsettled = false;
  #isSettling = false;
  #purging: Promise<void> = Promise.resolve();
  /** The floor that is stored. */
  #durableFloor: HlcTime = 0;

  constructor(self: NodeId, retention: HlcTime, beginning: Beginning, ports: KeeperPorts) {
    const begun = readCompleteness(self, beginning, ports.meta);
    const { state, hasBelonged, isOutside, isAloneInDoubt, ...entry } = begun;
    this.#isOutside = isOutside;
    this.#isAloneInDoubt = isAloneInDoubt;
    this.#entry = entry;
    this.#isLetIn = entry.letInAt.length > 0;
    this.#self = self;
    this.#hasBelonged = hasBelonged;
    this.#ports = ports;
    this.completeness = new Completeness(self, retention, state);
    this.#counted = ports.counted();
  }

  /** The members that count for claims: those of before a retirement until it is settled. */
  get members(): CountedMembers {
    if (!this.#unsettled && !this.#isSettling) this.#counted = this.#ports.counted();
    return this.#counted;
  }

  /** Settles the retirements in a table taken over from an earlier run, which may have stopped before it had. */
  async start(): Promise<void> {
    await this.retirementAdopted();
    await this.purge();
  }

  /** This run is over. What it knew is not to take the place of what the next one knows, nor is anything to be purged by it. */
  stop(): void {
    this.#isOver = true;
  }

  /**
   * A retirement is in the table; sessions with that id are dropped. Settles when it is settled. While the store takes
   * nothing it stays unsettled, and is tried again with the next {@link refresh}.
   */
  async retirementAdopted(): Promise<void> {
    this.#unsettled = true;
    await this.#settle();
  }

  /** One attempt at a time; a retirement adopted meanwhile is settled by the next. */
  async #settle(): Promise<void> {
    this.#settling = this.#settling.then(async () => {
      if (!this.#unsettled) return;
      this.#unsettled = false;
      this.#isSettling = true;
      try {
        await this.#ports.flush();
        this.completeness.retirementSettled(await this.#ports.tick());
        await this.save();
      } catch (error) {
        this.#unsettled = true;
        this.#ports.troubles.failed("retirement_not_settled", error);
      } finally {
        this.#isSettling = false;
      }
    });
    await this.#settling;
  }

  /**
   * This node's unit as of now, and whatever follows from it for the watermark. None is made while a retirement is not settled:
   * then what was said last still stands, if anything was.
   */
  async refresh(): Promise<CompletenessUnit | undefined> {
    if (this.#unsettled) await this.#settle();
    const ownTime = await this.#ports.ownTime();
    const sequence = await this.#ports.tick();
    // A unit for the members of before, made when the retirement is settled but not yet saved, would stand for ever.
    while (this.#isSettling) await this.#settling;
    if (this.#unsettled) return this.completeness.unitOf(this.#self);
    const unit = this.completeness.unit(this.members, ownTime, sequence);
    this.advance();
    return unit;
  }

  absorb(node: NodeId, unit: CompletenessUnit): void {
    this.completeness.absorb(node, unit);
  }

  /** Raises watermark and floor as far as the known units allow; not while a retirement is not settled. */
  advance(): void {
    // Units of before would say it of the members of before, and there may be others by now.
    if (this.#unsettled || this.#isSettling) return;
    this.#follow(this.completeness.advance(this.members));
  }

  adoptWatermark(watermark: HlcTime): void {
    this.#follow(this.completeness.adoptWatermark(watermark));
  }

  /**
   * Adopts the larger floor and settles when everything that goes at it is gone.
   * @throws PeerFault `clock_drift` for a floor from a clock too far ahead, with nothing changed
   */
  async settleFloor(floor: HlcTime): Promise<void> {
    if (floor > this.completeness.floor) {
      const drift = this.#ports.observe(floor);
      if (drift !== undefined) throw new PeerFault(drift);
      this.#follow(this.completeness.adoptFloor(floor));
    }
    await this.purge();
  }

  /** Whether this node, or what ran on its directory before, has been a member: what nobody else has, it may have. */
  get hasBelonged(): boolean {
    return this.#hasBelonged;
  }

  /** See {@link BegunState.isOutside}. */
  get isOutside(): boolean {
    return this.#isOutside;
  }

  /** See {@link BeginningState.isAloneInDoubt}. Nor is it when others have found it, though that stays noted until they have recorded it. */
  get isAloneInDoubt(): boolean {
    return this.#isAloneInDoubt && this.completeness.recorded;
  }

  /** See {@link Entry.letInAt}. */
  get letInAt(): readonly string[] {
    return this.#entry.letInAt;
  }

  /** See {@link Entry.letInBy}. */
  get letInBy(): NodeId | null {
    return this.#entry.letInBy;
  }

  /** See {@link Entry.founders}. */
  get founders(): readonly NodeId[] {
    return this.#entry.founders;
  }

  /** See {@link PushPull.boundTo}. */
  get boundTo(): readonly NodeId[] {
    return this.letInBy === null ? this.founders : [this.letInBy, ...this.founders];
  }

  /** Whether this node has been a member, or it is durable where it was let in: others may record it. */
  get mayBeRecorded(): boolean {
    return this.#hasBelonged || this.#isLetIn;
  }

  /**
   * Those at some addresses let this node in. Settles when it is durable where, by which member first, or which newcomers first, and
   * that what it knew of its own is none of theirs: before they hear anything of it that they could record. One is stored at a time,
   * so that who asks meanwhile waits as well.
   */
  async letIn(at: readonly string[], by: NodeId | null, founders: readonly NodeId[] = []): Promise<void> {
    const letIn = this.#lettingIn.catch(() => undefined).then(() => this.#letIn(at, by, founders));
    this.#lettingIn = letIn;
    await letIn;
  }

  async #letIn(at: readonly string[], by: NodeId | null, founders: readonly NodeId[]): Promise<void> {
    if (this.#isOver) throw new PeerFault({ code: "busy" });
    const before = this.#entry;
    const entry = {
      letInAt: at,
      letInBy: before.letInBy ?? by,
      founders: before.founders.length > 0 ? before.founders : founders.slice(0, BOUND_TO_MAX - 1),
    };
    if (this.#hasBelonged || JSON.stringify(entry) === JSON.stringify(before)) return;
    this.#entry = entry;
    try {
      // Outside until then: a crash would leave the floor of a cluster of one with a table of others.
      await this.#store();
    } catch (error) {
      this.#entry = before;
      throw error;
    }
    this.#isLetIn = true;
    this.#isOutside = false;
  }

  /**
   * Who was alone in doubt has company. A newcomer that it has let in takes over what it knows. Others were there before: what it knew is none of
   * theirs. To be called in the turn in which they came into the table; settles when it is durable.
   */
  async foundBy(who: "newcomer" | "others"): Promise<void> {
    if (who === "newcomer") this.#isAloneInDoubt = false;
    else {
      this.#ports.log.warn("found_by_others", { node: this.#self, floor: this.completeness.floor });
      this.completeness.startOver();
      this.#durableFloor = 0;
    }
    await this.save();
  }

  /** A majority of the others has this node on disk; settles when that is durable. */
  async recordedByMajority(): Promise<void> {
    this.completeness.recordedByMajority();
    this.#hasBelonged = true;
    this.#isAloneInDoubt = false;
    this.#entry = NO_ENTRY;
    await this.save();
  }

  /** See {@link Completeness.disturbed}. To be called in the turn in which the records are put: the two are committed together. */
  async disturbed(): Promise<void> {
    const events = this.completeness.disturbed();
    this.#follow(events);
    if (events.length > 0) await this.save();
  }

  heldBackBy(): HeldBack[] {
    return heldBackBy(this.completeness, this.members);
  }

  async save(): Promise<void> {
    // What is on the disk is of the cluster that this node still is by itself.
    if (!this.#isOutside && !this.#isOver) await this.#store();
  }

  async #store(): Promise<void> {
    const { state } = this.completeness;
    await storeCompleteness(this.#ports.meta, this.#self, {
      state,
      hasBelonged: this.#hasBelonged,
      isAloneInDoubt: this.#isAloneInDoubt,
      ...this.#entry,
    });
  }

  /**
   * Purges to the floor, once it is durable. One purge runs at a time; one that failed is made up for by the next. It is repeated
   * while the floor stands still: peers at a lower one still send what has gone here.
   */
  async purge(): Promise<void> {
    const before = this.#purging;
    const purge = async (): Promise<void> => {
      // How the one before went is told to those who waited for it.
      await before.catch(() => undefined);
      await this.#purgeTo(this.completeness.floor);
    };
    this.#purging = purge();
    await this.#purging;
  }

  async #purgeTo(floor: HlcTime): Promise<void> {
    if (floor > this.#durableFloor) {
      await this.save();
      // It may be that of a time alone, given up meanwhile.
      this.#durableFloor = Math.min(floor, this.completeness.floor);
    }
    let more = true;
    // A floor that was given up meanwhile takes nothing more: what is left, and what others bring, is judged by theirs.
    while (more && !this.#isOver && floor <= this.completeness.floor) {
      ({ more } = await this.#ports.graveyard.purge(floor, PURGE_STEP));
    }
  }

  #follow(events: readonly CompletenessEvent[]): void {
    for (const event of events) logCompleteness(event, this.#ports.log, this.#self);
  }
}
