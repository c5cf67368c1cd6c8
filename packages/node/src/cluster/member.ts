/**
 * One incarnation of a node as a member of its cluster: membership, rumors, repair, states and completeness, driven
 * together. See docs/protocol.md for what each guarantees.
 *
 * It takes part from the middle of {@link ClusterMember.start} on, and to its end in {@link ClusterMember.halt}, which may come at
 * any time: whatever is still on its way to its beginning then does not begin.
 */
import type {
  FetchReply,
  HeldBack,
  HlcTime,
  KeyRecord,
  NodeId,
  Peer,
  PeerReply,
  PeerRequest,
  Standing,
  Version,
} from "@hearsay/core";
import type { ExchangeOutcome, ExchangeProgress } from "../exchange/outcome.ts";
import { PeerFault } from "../peer-fault.ts";
import type { Clock } from "../ports.ts";
import { Acknowledgements } from "./acknowledgements.ts";
import type { CompletenessKeeper } from "./completeness-keeper.ts";
import { type StandIn, StandIns } from "./handing-over.ts";
import type { JoiningState } from "./joining.ts";
import { Lifecycle, SEEDS_INTERVAL_MS } from "./lifecycle.ts";
import type { Greeting, MemberConfig, MemberEvents, MemberPorts, NotWritable } from "./member-config.ts";
import { type MemberParts, makeParts } from "./member-parts.ts";
import type { Membership } from "./membership.ts";
import { Periodic } from "./periodic.ts";
import type { Timers } from "./ports.ts";
import { Publishing } from "./publishing.ts";
import type { LastExchange, Repair } from "./repair.ts";
import type { Rumors } from "./rumors.ts";
import { Serving } from "./serving.ts";
import type { States } from "./states.ts";
import { WriteConcern } from "./write-concern.ts";

/** How often what is known about completeness is saved; a loss costs only some catching up. */
const SAVE_INTERVAL_MS = 10_000;

export class ClusterMember {
  readonly membership: Membership;
  readonly rumors: Rumors;
  readonly repair: Repair;
  readonly keeper: CompletenessKeeper;
  readonly states: States;
  /** The mean time in which each node publishes its state. */
  readonly stateIntervalMs: number;
  readonly #ports: MemberPorts;
  readonly #events: MemberEvents;
  readonly #parts: MemberParts;
  readonly #lifecycle: Lifecycle;
  readonly #acks: Acknowledgements;
  readonly #concern: WriteConcern;
  readonly #publishing: Publishing;
  readonly #serving: Serving;
  readonly #standIns: StandIns;
  readonly #periodic: Periodic;
  #phase: "new" | "running" | "stopped" = "new";

  constructor(config: MemberConfig, ports: MemberPorts, events: MemberEvents) {
    this.#ports = ports;
    this.#events = events;
    this.stateIntervalMs = config.stateIntervalMs;
    this.#acks = new Acknowledgements(config.maxPendingAcks);
    this.#parts = makeParts(config, ports, {
      peersChanged: () => this.#peersChanged(),
      retirementAdopted: (id) => this.#retirementAdopted(id),
      selfRetired: () => {
        if (!this.#lifecycle.selfRetired()) return;
        this.#fallSilent();
        events.retired();
      },
      nameTaken: (holder) => this.#lifecycle.nameTaken(holder),
      exchangeEnded: (peer, fault) => this.#lifecycle.exchangeEnded(peer, fault),
      claimed: (peer) => {
        if (this.#phase !== "stopped") this.#publishing.exchanged(peer);
      },
      confirmed: (peer, through) => this.#acks.confirmed(peer, through),
      learnt: (id, state) => this.#publishing.learnt(id, state),
      held: (event) => this.#acks.held(event),
      isStaying: () => this.#lifecycle.isStaying,
      isLeaving: () => this.#lifecycle.isLeaving,
    });
    this.#lifecycle = new Lifecycle(config, ports, this.#parts);
    this.#publishing = new Publishing(ports, this.#parts, this.#lifecycle);
    this.#periodic = new Periodic(ports.timers, this.#parts.troubles);
    this.#serving = new Serving({
      id: ports.node.id,
      store: ports.store,
      parts: this.#parts,
      lifecycle: this.#lifecycle,
      isRunning: () => this.#phase === "running",
      holds: (key, version) => this.holds(key, version),
    });
    this.#concern = new WriteConcern({
      acks: this.#acks,
      timers: ports.timers,
      livePeers: () => this.membership.livePeers(),
      others: () => this.size - 1,
      spread: (key, acks) => this.spread(key, acks),
      peerHolds: (peer, key, version, timeoutMs) => this.peerHolds(peer, key, version, timeoutMs),
    });
    this.#standIns = new StandIns(this.#parts, ports.timers);
    this.membership = this.#parts.membership;
    this.keeper = this.#parts.keeper;
    this.rumors = this.#parts.rumors;
    this.repair = this.#parts.repair;
    this.states = this.#parts.states;
    ports.node.recognise((id) => this.membership.peer(id) !== undefined || this.membership.isRetired(id));
  }

  get id(): NodeId {
    return this.#ports.node.id;
  }

  /**
   * Takes part. Where this run ends meanwhile, as in doubt, or the node is told that it is retired, what has not begun by then does
   * not: it would claim and confirm what may be lost, on timers that nobody takes back.
   */
  async start(): Promise<void> {
    if (this.#lifecycle.isRetired) return this.#events.retired();
    if (this.#isOver) return;
    await this.keeper.start();
    if (this.#isOver) return;
    this.#phase = "running";
    this.membership.start();
    this.#lifecycle.start();
    if (this.#parts.joining === undefined) this.#lifecycle.returnTo();
    this.repair.start();
    this.states.start();
    const stretch = (): number => this.repair.stretch;
    this.#periodic.every(this.stateIntervalMs, () => this.#publishing.publish(), stretch);
    this.#periodic.every(SAVE_INTERVAL_MS, () => this.keeper.save());
    this.#periodic.every(SEEDS_INTERVAL_MS, () => this.#lifecycle.lookForAway());
    // Exchanges purge too, but a node that is alone has none.
    this.#periodic.every(this.stateIntervalMs, () => this.keeper.purge(), stretch);
    this.#peersChanged();
    await this.#publishing.publish();
  }

  get #isOver(): boolean {
    return this.#phase === "stopped" || this.#lifecycle.isRetired;
  }

  /** Says *stopped* to the others, unless it is retired, and lets go of everything. The store is the caller's. */
  async stop(): Promise<void> {
    if (this.#phase === "stopped") return;
    if (!this.#lifecycle.isRetired) await this.membership.announceStopped();
    const saved = this.keeper.save();
    this.halt();
    await saved;
  }

  /** Stops without a word, as if the process ended, and for good: also a start that is under way, or has yet to come. */
  halt(): void {
    this.#phase = "stopped";
    this.keeper.stop();
    this.#parts.replica.stop();
    this.#fallSilent();
    this.rumors.stop();
    this.membership.stop();
  }

  #fallSilent(): void {
    this.#periodic.stop();
    this.repair.stop();
    this.states.stop();
    this.#lifecycle.stop();
  }

  /** Answers a peer. @throws PeerFault when it is refused */
  serve(from: NodeId, message: PeerRequest): Promise<PeerReply> {
    return this.#serving.serve(from, message);
  }

  /** Undefined when client writes are taken. */
  notWritable(): NotWritable | undefined {
    return this.#lifecycle.notWritable();
  }

  get joiningState(): JoiningState {
    return this.#lifecycle.joiningState;
  }

  get standing(): Standing {
    return this.#parts.replica.standing();
  }

  /** Members that count, this one among them. */
  get size(): number {
    return this.membership.counted().ids.length;
  }

  /** A write of this node is committed: it spreads. */
  spread(key: string, acks: number): void {
    if (this.size === 1 || this.#phase === "stopped") return;
    this.repair.disturbed();
    const record = this.#ports.store.peek(key);
    if (record !== undefined) this.rumors.spread(key, record, "write", acks);
  }

  /** See {@link WriteConcern.acknowledged}. */
  acknowledged(key: string, version: Version, needed: number, timeoutMs: number): Promise<number> {
    return this.#concern.acknowledged(key, version, needed, timeoutMs);
  }

  /** Whether this node durably holds or covers the version. */
  holds(key: string, version: Version): boolean {
    if (this.#ports.node.holds(key, version)) return true;
    return (this.keeper.completeness.state.vector.get(version.node) ?? 0) >= version.time;
  }

  /** Every write up to this time is held here, as confirmed with all counted members at the last refresh. */
  get confirmedThrough(): HlcTime {
    return this.keeper.completeness.unitOf(this.id)?.completeThrough ?? 0;
  }

  heldBackBy(): HeldBack[] {
    return this.keeper.heldBackBy();
  }

  lastExchange(peer: NodeId): LastExchange | undefined {
    return this.repair.lastExchange(peer);
  }

  /** Merges what a peer holds of a key into what this node holds, and gives the result when it is durable. */
  async fetch(peer: Peer, key: string, timeoutMs: number): Promise<FetchReply> {
    const reply = await this.#parts.transport.request(peer, { kind: "fetch", key }, timeoutMs);
    if (reply.kind !== "fetched") throw new PeerFault({ code: "bad_message", what: reply.kind });
    if (reply.record === null) return reply;
    this.#parts.replica.takesFrom(peer.id);
    // Asked and answered in one go, at one floor, this is as good as an exchange; at two it is left to one.
    await this.#parts.replica.merge([{ key, record: reply.record }], reply.standing)?.committed;
    return reply;
  }

  async peerHolds(peer: Peer, key: string, version: Version, timeoutMs: number): Promise<boolean> {
    const reply = await this.#parts.transport.request(peer, { kind: "holds", key, version }, timeoutMs);
    if (reply.kind !== "holds-reply") throw new PeerFault({ code: "bad_message", what: reply.kind });
    return reply.holds;
  }

  /** Sends on its way a record that a read has found stale elsewhere. */
  repairStale(key: string, record: KeyRecord): void {
    this.rumors.spread(key, record, "repair", 0);
  }

  async exchange(peer: Peer, onProgress?: (progress: ExchangeProgress) => void): Promise<ExchangeOutcome> {
    return await this.repair.exchange(peer, onProgress);
  }

  /** Asks whoever is at an address what joining there would mean; nothing changes by it. @throws PeerFault */
  async greet(address: string): Promise<Greeting> {
    return await this.#lifecycle.greet(address);
  }

  get clock(): Clock {
    return this.#ports.clock;
  }

  get timers(): Timers {
    return this.#ports.timers;
  }

  async publishedRoot(): Promise<string> {
    return await this.#publishing.root();
  }

  get lastWrite(): HlcTime {
    return this.#ports.node.lastWrite;
  }

  get acksPending(): number {
    return this.#acks.size;
  }

  /** See {@link LocalReplica.alarms}. */
  get alarms(): number {
    return this.#parts.replica.alarms;
  }

  /** See {@link StandIns.find}. */
  standIn(): Promise<StandIn | undefined> {
    return this.#standIns.find();
  }

  /**
   * Leaves for good: takes no more writes, makes sure that a member which stays holds everything, retires the own id.
   * @throws PeerFault when no such exchange came about, or the own id is on no disk as retired; see {@link Lifecycle.leave}
   */
  async leave(): Promise<void> {
    await this.#lifecycle.leave();
    this.halt();
  }

  /** See {@link Lifecycle.forget}. */
  async forget(id: NodeId): Promise<void> {
    await this.#lifecycle.forget(id);
  }

  #peersChanged(): void {
    const live = this.membership.livePeers();
    this.#parts.sampler.peersChanged(live);
    this.rumors.peersChanged(live, live.length + 1);
    this.repair.peersChanged(this.membership.counted().ids);
  }

  #retirementAdopted(id: NodeId): void {
    if (id === this.id) return;
    this.#acks.gone(id, this.size - 1);
    this.states.retire([id]);
    this.repair.dropSessionsWith(id);
    this.keeper.retirementAdopted().catch((error: unknown) => {
      this.#ports.log.error("retirement_not_settled", { member: id, reason: String(error) });
    });
  }
}
