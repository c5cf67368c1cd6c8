/**
 * This node's view of the others: takes updates in, keeps suspicions, defends the own entry, and says what to spread.
 *
 * Invariant: an entry changes only to one of greater precedence, so replays and delays change nothing; the own entry
 * is changed by nobody but this node, save for its retirement.
 */
import { isNodeId, type NodeId } from "../identity.ts";
import type { RandomSource } from "../random.ts";
import { BroadcastQueue, retransmitLimit } from "./broadcast-queue.ts";
import { LocalHealth } from "./local-health.ts";
import {
  comparePrecedence,
  GENERATION_MAX,
  isLiveMember,
  isWellFormed,
  type Member,
  peerOf,
  type Update,
} from "./member.ts";
import { MemberTable } from "./member-table.ts";
import { ProbeOrder } from "./probe-order.ts";
import { Suspicion } from "./suspicion.ts";
import type { SwimConfig } from "./swim-config.ts";
import type { SwimEffect } from "./swim-messages.ts";

/** What an earlier run knew. Retired ids last adopted come last, the own predecessors at the very end. */
export interface KnownTable {
  readonly members: readonly Member[];
  readonly retired: readonly NodeId[];
}

export class MemberView {
  readonly config: SwimConfig;
  readonly table: MemberTable;
  readonly health: LocalHealth;
  readonly order: ProbeOrder;
  readonly queue: BroadcastQueue;
  readonly #suspicions: Map<NodeId, Suspicion> = new Map();
  #self: Member;
  /** Set once another's claim to live under this id elsewhere was refuted: a second one cannot be an earlier life. */
  #refutedAddress: string | undefined;
  #malformed = 0;
  #refuted = false;
  #beyondBounds = 0;

  /** @param known what an earlier run knew: counted from the first moment, and no news, so nothing of it is spread */
  constructor(
    config: SwimConfig,
    self: Member,
    known: KnownTable,
    random: RandomSource,
    hash: (canonical: string) => string,
  ) {
    const { membersMax, retiredMax } = config;
    this.config = config;
    this.#self = self;
    this.table = new MemberTable({ membersMax, retiredMax, hash });
    this.health = new LocalHealth(config.localHealthMax);
    this.order = new ProbeOrder(config.probeOrder, random);
    this.queue = new BroadcastQueue(config.broadcastsMax);
    this.table.apply({ kind: "member", member: self });
    this.queue.put({ kind: "member", member: self });
    for (const id of known.retired) this.table.apply({ kind: "retired", id });
    for (const member of known.members)
      if (member.id !== self.id) this.table.apply({ kind: "member", member });
  }

  /** The own entry; what it said last once it is retired. */
  get self(): Member {
    return this.#self;
  }

  get retired(): boolean {
    return this.table.isRetired(this.#self.id);
  }

  /** Running: neither stopped nor retired. */
  get active(): boolean {
    return this.#self.state === "alive" && !this.retired;
  }

  /** Updates left out because a field was out of bounds. */
  get malformed(): number {
    return this.#malformed;
  }

  /** Updates about ids for which the table has no room. */
  get beyondBounds(): number {
    return this.#beyondBounds;
  }

  /** Members that answer as far as is known, without this node. */
  alivePeers(): Member[] {
    return this.table.live().filter((member) => member.state === "alive" && member.id !== this.#self.id);
  }

  /** Whether this node has refuted anything since it was last asked. */
  takeRefuted(): boolean {
    const refuted = this.#refuted;
    this.#refuted = false;
    return refuted;
  }

  /** From now on the members of an earlier run are probed, and suspected where they were. */
  resume(members: readonly Member[], nowMs: number, out: SwimEffect[]): void {
    for (const { id } of members) {
      const member = this.table.get(id);
      if (member === undefined || id === this.#self.id || !isLiveMember(member)) continue;
      this.order.add(id);
      if (member.state === "suspect") this.#suspect(member, undefined, nowMs, out);
    }
    const own = members.find(({ id }) => id === this.#self.id);
    if (own !== undefined) this.#defend(own, out);
  }

  /** Takes updates in, retirements first: a successor and the retirement of its predecessor may come together. */
  absorb(updates: readonly Update[], nowMs: number, out: SwimEffect[]): void {
    for (const update of updates) if (update.kind === "retired") this.apply(update, nowMs, out);
    for (const update of updates) if (update.kind === "member") this.apply(update, nowMs, out);
  }

  apply(update: Update, nowMs: number, out: SwimEffect[]): void {
    if (update.kind === "retired") {
      if (isNodeId(update.id)) this.#retire(update.id, out);
      else this.#malformed += 1;
      return;
    }
    const { member, accuser } = update;
    const mine = this.table.get(member.id);
    // Most updates are old news; those need no further look.
    if (mine !== undefined && comparePrecedence(member, mine) <= 0)
      this.#confirm(member, accuser, nowMs, out);
    else if (!isWellFormed(member)) this.#malformed += 1;
    else if (member.id === this.#self.id) this.#defend(member, out);
    else this.#change(member, accuser, nowMs, out);
  }

  /**
   * Takes a whole table in. A death in it is only a suspicion where the member is live here: after a partition each
   * side says so of the other.
   */
  absorbTable(
    members: readonly Member[],
    retired: readonly NodeId[],
    nowMs: number,
    out: SwimEffect[],
  ): void {
    for (const id of retired) this.apply({ kind: "retired", id }, nowMs, out);
    for (const member of members) {
      const mine = member.id === this.#self.id ? undefined : this.table.get(member.id);
      const doubted = member.state === "dead" && mine !== undefined && isLiveMember(mine);
      this.apply({ kind: "member", member: doubted ? { ...member, state: "suspect" } : member }, nowMs, out);
    }
  }

  /** A probe of this member came to nothing. */
  accuse(id: NodeId, nowMs: number, out: SwimEffect[]): void {
    const member = this.table.get(id);
    if (member === undefined || !isLiveMember(member)) return;
    if (member.state === "suspect") this.#confirm(member, this.#self.id, nowMs, out);
    else this.#change({ ...member, state: "suspect" }, this.#self.id, nowMs, out);
  }

  /** Called when a suspicion's timer fires: time for the verdict, or to wait on. */
  suspicionDue(id: NodeId, generation: number, nowMs: number, out: SwimEffect[]): void {
    const suspicion = this.#suspicions.get(id);
    const member = this.table.get(id);
    if (suspicion === undefined || member === undefined || suspicion.generation !== generation) return;
    const lateMs = nowMs - suspicion.deadlineMs;
    // Timers may be a little early; and a very late one says that this process stood still, not the member.
    const stalled = lateMs > this.config.probeIntervalMs && suspicion.extend(nowMs);
    if (stalled) this.health.worsen(1);
    if (lateMs < 0 || stalled) this.#armSuspicion(id, suspicion, nowMs, out);
    else this.#change({ ...member, state: "dead" }, undefined, nowMs, out);
  }

  /** Updates for a message to `to`: first what it should know of itself, then what is to be spread. */
  updatesFor(to: NodeId, claimed: Member | undefined): Update[] {
    const believed = this.table.get(to);
    const updates = this.piggyback(this.config.piggybackMaxItems);
    const outdated =
      claimed !== undefined && believed !== undefined && comparePrecedence(believed, claimed) > 0;
    if (believed !== undefined && (outdated || believed.state !== "alive")) {
      updates.unshift({ kind: "member", member: believed });
    }
    if (this.retired) updates.unshift({ kind: "retired", id: this.#self.id });
    return updates;
  }

  piggyback(maxItems: number): Update[] {
    const limit = retransmitLimit(this.config.retransmitMult, this.table.live().length);
    return this.queue.take(maxItems, limit);
  }

  /** Replaces the own entry by one that wins over it, and spreads it. */
  restate(changes: Partial<Omit<Member, "id">>, out: SwimEffect[]): void {
    const previous = this.#self;
    this.#self = { ...previous, ...changes };
    this.table.apply({ kind: "member", member: this.#self });
    this.queue.put({ kind: "member", member: this.#self });
    out.push({ kind: "event", event: { kind: "member-changed", member: this.#self, previous } });
  }

  #retire(id: NodeId, out: SwimEffect[]): void {
    const applied = this.table.apply({ kind: "retired", id });
    if (applied.kind === "full") this.#refuseRoom(id, out);
    if (applied.kind !== "retired") return;
    this.#suspicions.delete(id);
    this.order.remove(id);
    this.queue.put({ kind: "retired", id });
    out.push({ kind: "event", event: { kind: "member-retired", id } });
    if (id === this.#self.id) out.push({ kind: "event", event: { kind: "self-retired" } });
  }

  /** Takes an entry over that wins over the one in the table, if there is room. */
  #change(member: Member, accuser: NodeId | undefined, nowMs: number, out: SwimEffect[]): void {
    const applied = this.table.apply({ kind: "member", member });
    if (applied.kind === "full") this.#refuseRoom(member.id, out);
    if (applied.kind !== "changed") return;
    const { previous } = applied;
    this.queue.put(accuser === undefined ? { kind: "member", member } : { kind: "member", member, accuser });
    this.#suspicions.delete(member.id);
    if (isLiveMember(member)) this.order.add(member.id);
    else this.order.remove(member.id);
    if (member.state === "suspect") this.#suspect(member, accuser, nowMs, out);
    out.push({ kind: "event", event: { kind: "member-changed", member, previous } });
    // Looked for only when a member comes to life, so that a clash is reported once.
    const revived = isLiveMember(member) && (previous === undefined || !isLiveMember(previous));
    const namesake = revived ? this.table.liveNamesake(member) : undefined;
    if (namesake !== undefined) this.#reportClash(namesake, member, out);
  }

  #refuseRoom(id: NodeId, out: SwimEffect[]): void {
    this.#beyondBounds += 1;
    out.push({ kind: "event", event: { kind: "table-full", id } });
  }

  #suspect(member: Member, accuser: NodeId | undefined, nowMs: number, out: SwimEffect[]): void {
    const suspicion = new Suspicion(this.config, this.table.live().length, member.generation, accuser, nowMs);
    this.#suspicions.set(member.id, suspicion);
    this.#armSuspicion(member.id, suspicion, nowMs, out);
  }

  /** The same suspicion from another accuser shortens it, and is worth passing on. */
  #confirm(accused: Member, accuser: NodeId | undefined, nowMs: number, out: SwimEffect[]): void {
    if (accused.state !== "suspect" || accuser === undefined) return;
    const suspicion = this.#suspicions.get(accused.id);
    const member = this.table.get(accused.id);
    if (member === undefined || suspicion?.generation !== accused.generation || !suspicion.confirm(accuser))
      return;
    this.queue.put({ kind: "member", member, accuser });
    this.#armSuspicion(member.id, suspicion, nowMs, out);
  }

  #armSuspicion(id: NodeId, suspicion: Suspicion, nowMs: number, out: SwimEffect[]): void {
    const afterMs = Math.max(0, Math.ceil(suspicion.deadlineMs - nowMs));
    out.push({ kind: "timer", timer: { kind: "suspicion", id, generation: suspicion.generation }, afterMs });
  }

  /** Others speak about this node: what is above its own entry is refuted, if it is running. */
  #defend(believed: Member, out: SwimEffect[]): void {
    if (!this.active || comparePrecedence(believed, this.#self) <= 0) return;
    if (believed.generation >= GENERATION_MAX) {
      out.push({ kind: "event", event: { kind: "generation-exhausted", claimed: believed.generation } });
      return;
    }
    const generation = believed.generation + 1;
    if (believed.state === "dead") {
      out.push({ kind: "event", event: { kind: "self-declared-dead", generation: believed.generation } });
    }
    if (believed.state === "dead" || believed.state === "suspect") this.health.worsen(1);
    if (believed.state === "alive" && believed.address !== this.#self.address)
      this.#defendAddress(believed, out);
    this.#refuted = true;
    this.restate({ generation }, out);
    out.push({ kind: "event", event: { kind: "refuted", believed, generation } });
  }

  #defendAddress(believed: Member, out: SwimEffect[]): void {
    if (this.#refutedAddress === believed.address) this.#reportClash(this.#self, believed, out);
    this.#refutedAddress = believed.address;
  }

  #reportClash(first: Member, second: Member, out: SwimEffect[]): void {
    out.push({ kind: "event", event: { kind: "name-clash", first: peerOf(first), second: peerOf(second) } });
  }
}
