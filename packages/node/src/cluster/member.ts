/**
 * One incarnation of a node as a member of its cluster: membership, rumors, repair, states and completeness, driven
 * together. See docs/protocol.md for what each guarantees.
 *
 * Order of business for a message: refuse the retired, then those nobody knows, then let the protocol it belongs to
 * take it. Nothing is answered before what it brought is committed.
 */
import {
  type AntiEntropyConfig,
  covers,
  type FetchReply,
  FullView,
  type HeldBack,
  type HelloReply,
  type HlcTime,
  hlcFromMs,
  holds,
  type KeyRecord,
  type NodeId,
  type Peer,
  type PeerReply,
  type PeerRequest,
  preferHealthy,
  type RandomSource,
  type RumorOptions,
  type SharedLimits,
  type Standing,
  type SwimConfig,
  type Version,
} from "@hearsay/core";
import { readOrLost } from "../damaged.ts";
import type { ExchangeOutcome, ExchangeProgress } from "../exchange/ask.ts";
import type { ExchangeLimits } from "../exchange/session.ts";
import type { Node } from "../node.ts";
import { PeerFault } from "../peer-fault.ts";
import type { Clock, Log, Metrics, RecordStore } from "../ports.ts";
import { Acknowledgements } from "./acknowledgements.ts";
import { CompletenessKeeper, type Incarnation } from "./completeness-keeper.ts";
import { differingLimits, Joining, type JoiningState } from "./joining.ts";
import { LocalReplica } from "./local-replica.ts";
import { Membership } from "./membership.ts";
import type { DigestStore, Graveyard, StoreFacts, Timers, Transport } from "./ports.ts";
import { type LastExchange, Repair } from "./repair.ts";
import { Rumors } from "./rumors.ts";
import { ClockSkew } from "./skew.ts";
import { type PublishedState, States } from "./states.ts";

export interface MemberPorts {
  readonly node: Node;
  readonly store: RecordStore;
  readonly digests: DigestStore;
  readonly graveyard: Graveyard;
  readonly facts: StoreFacts;
  readonly clock: Clock;
  readonly timers: Timers;
  readonly transport: Transport;
  /** The addresses a configured seed stands for at this moment. */
  resolveSeed(seed: string): Promise<readonly string[]>;
  readonly random: RandomSource;
  readonly log: Log;
  readonly metrics: Metrics;
}

export interface MemberConfig {
  readonly address: string;
  readonly zone: string;
  readonly build: string;
  readonly protocol: { readonly min: number; readonly max: number };
  readonly seeds: readonly string[];
  readonly incarnation: Incarnation;
  readonly swim: SwimConfig;
  readonly rumors: RumorOptions;
  readonly antiEntropy: AntiEntropyConfig;
  readonly exchange: ExchangeLimits;
  readonly tombstoneRetentionMs: number;
  readonly stateIntervalMs: number;
  readonly maxPendingAcks: number;
  readonly limits: SharedLimits;
  /** 16 hexadecimal digits of a text. */
  readonly hash: (text: string) => string;
}

/** Why this node takes no client writes at the moment. */
export type NotWritable =
  | { readonly code: "joining"; readonly recordedBy: number; readonly needed: number }
  | { readonly code: "limits_differ"; readonly by: string; readonly knobs: readonly string[] }
  | { readonly code: "name_taken"; readonly by: string }
  | { readonly code: "clock_skew" }
  | { readonly code: "leaving" }
  | { readonly code: "retired" };

/** What an introducer says of its cluster. */
export interface Greeting {
  readonly time: HlcTime;
  readonly floor: HlcTime;
  /** Limits that this node has otherwise. */
  readonly differing: readonly (keyof SharedLimits)[];
}

export interface MemberEvents {
  /** This id is retired: the node has to come back as a new incarnation, or by an operator's hand. */
  retired(): void;
}

/** How often what is known about completeness is saved; a loss costs only some catching up. */
const SAVE_INTERVAL_MS = 10_000;
/** How long a peer's complaint about our clock counts without being repeated. */
const SKEW_MEMORY_MS = 30_000;
/** How often peers are asked for an acknowledgement that no rumor has brought. */
const ACK_ASK_INTERVAL_MS = 250;
const HELLO_TIMEOUT_MS = 2_000;
/** Of 64 hexadecimal digits. */
const PUBLISHED_ROOT_DIGITS = 16;

export class ClusterMember {
  readonly membership: Membership;
  readonly rumors: Rumors;
  readonly repair: Repair;
  readonly keeper: CompletenessKeeper;
  readonly states: States;
  readonly #ports: MemberPorts;
  readonly #config: MemberConfig;
  readonly #events: MemberEvents;
  readonly #replica: LocalReplica;
  readonly #sampler: FullView;
  readonly #acks: Acknowledgements;
  readonly #joining: Joining | undefined;
  readonly #skew: ClockSkew = new ClockSkew(SKEW_MEMORY_MS);
  readonly #cancels: Set<() => void> = new Set();
  #nameHolder: Peer | undefined;
  #leaving = false;
  #retired = false;
  #stopped = false;

  constructor(config: MemberConfig, ports: MemberPorts, events: MemberEvents) {
    this.#ports = ports;
    this.#config = config;
    this.#events = events;
    this.#acks = new Acknowledgements(config.maxPendingAcks);
    this.#sampler = new FullView(
      ports.node.id,
      ports.random.fork(),
      preferHealthy((peer) => this.membership.phi(peer.id) ?? 0),
    );
    this.membership = this.#newMembership();
    ports.node.recognise((id) => this.membership.peer(id) !== undefined || this.membership.isRetired(id));
    this.keeper = this.#newKeeper();
    this.#replica = this.#newReplica();
    this.rumors = this.#newRumors();
    this.repair = this.#newRepair();
    this.states = this.#newStates();
    this.#joining = this.#needsToJoin() ? this.#newJoining() : undefined;
  }

  get id(): NodeId {
    return this.#ports.node.id;
  }

  async start(): Promise<void> {
    await this.keeper.start();
    this.membership.start();
    this.#joining?.start();
    if (this.membership.wasMember) await this.#returnTo();
    this.repair.start();
    this.states.start();
    this.#every(this.#config.stateIntervalMs, () => this.#publish());
    this.#every(SAVE_INTERVAL_MS, () => this.keeper.save());
    // Exchanges purge too, but a node that is alone has none.
    this.#every(this.#config.stateIntervalMs, () => this.keeper.purge());
    this.#peersChanged();
    await this.#publish();
  }

  /** Says *stopped* to the others, unless it is retired, and lets go of everything. The store is the caller's. */
  async stop(): Promise<void> {
    if (this.#stopped) return;
    if (!this.#retired) await this.membership.announceStopped();
    this.halt();
    await this.keeper.save();
  }

  /** Stops without a word, as if the process ended. */
  halt(): void {
    this.#stopped = true;
    for (const cancel of this.#cancels) cancel();
    this.#joining?.stop();
    this.repair.stop();
    this.states.stop();
    this.rumors.stop();
    this.membership.stop();
  }

  /** Answers a peer. @throws PeerFault when it is refused */
  async serve(from: NodeId, message: PeerRequest): Promise<PeerReply> {
    if (this.#retired || this.#stopped) throw new PeerFault({ code: "busy" });
    if (this.membership.isRetired(from)) throw new PeerFault({ code: "retired" });
    this.membership.heard(from);
    switch (message.kind) {
      case "ping":
      case "ping-req":
      case "push-pull":
      case "retired-page":
        return await this.membership.answer(message);
      case "hello":
        return await this.#welcome(from);
    }
    const peer = this.membership.peer(from);
    if (peer === undefined) throw new PeerFault({ code: "unknown_member" });
    switch (message.kind) {
      case "state-digest":
      case "state-delta":
        return await this.states.serve(message);
      case "rumors":
        return await this.rumors.serve(peer, message);
      case "exchange-start":
      case "exchange-compare":
      case "exchange-transfer": {
        const reply = await this.repair.answer(from, message);
        // The answer was computed across awaits, in which the sender may have been retired.
        if (this.membership.isRetired(from)) throw new PeerFault({ code: "retired" });
        return reply;
      }
      case "fetch":
        return this.#fetched(message.key);
      case "holds":
        return { kind: "holds-reply", holds: this.holds(message.key, message.version) };
    }
  }

  /** Undefined when client writes are taken. */
  notWritable(): NotWritable | undefined {
    if (this.#retired) return { code: "retired" };
    if (this.#leaving) return { code: "leaving" };
    if (this.#nameHolder !== undefined) return { code: "name_taken", by: this.#nameHolder.address };
    const joining = this.#joining?.state;
    if (joining?.kind === "joining") {
      return { code: "joining", recordedBy: joining.recordedBy, needed: joining.needed };
    }
    if (joining?.kind === "refused") return { code: "limits_differ", by: joining.by, knobs: joining.knobs };
    const nowMs = this.#ports.timers.monotonicMs();
    return this.#skew.isAheadOfMost(() => this.membership.livePeers(), nowMs)
      ? { code: "clock_skew" }
      : undefined;
  }

  get joiningState(): JoiningState {
    return this.#joining?.state ?? { kind: "member" };
  }

  get standing(): Standing {
    return this.#replica.standing();
  }

  /** Members that count, this one among them. */
  get size(): number {
    return this.membership.counted().ids.length;
  }

  /** A write of this node is committed: it spreads. */
  spread(key: string, acks: number): void {
    if (this.size === 1 || this.#stopped) return;
    const record = this.#ports.store.get(key);
    if (record !== undefined) this.rumors.spread(key, record, "write", acks);
  }

  /**
   * Spreads a committed write and settles with the number of nodes that durably hold it, this one included: `needed` at
   * best, fewer when the time is over.
   */
  async acknowledged(key: string, version: Version, needed: number, timeoutMs: number): Promise<number> {
    if (needed <= 1) {
      this.spread(key, 0);
      return 1;
    }
    if (this.#acks.full) throw new PeerFault({ code: "busy" });
    return await new Promise((resolve) => {
      const cancels = new Set<() => void>();
      const settle = (holders: number): void => {
        for (const cancel of cancels) cancel();
        resolve(holders);
      };
      const wait = this.#acks.wait(key, version, needed - 1, (peers) => settle(peers + 1));
      cancels.add(this.#ports.timers.after(timeoutMs, () => settle(wait.end() + 1)));
      // A peer that was away for a moment gets the write by an exchange, of which no rumor tells.
      const ask = (): void => {
        cancels.add(this.#ports.timers.after(ACK_ASK_INTERVAL_MS, ask));
        this.#askWhoHolds(key, version, wait.peers);
      };
      cancels.add(this.#ports.timers.after(ACK_ASK_INTERVAL_MS, ask));
      this.spread(key, needed - 1);
    });
  }

  /** Asks the peers that have not said so yet whether they hold a write somebody waits for. */
  #askWhoHolds(key: string, version: Version, known: ReadonlySet<NodeId>): void {
    for (const peer of this.membership.livePeers()) {
      if (known.has(peer.id)) continue;
      this.peerHolds(peer, key, version, ACK_ASK_INTERVAL_MS).then(
        (held) => {
          if (held) this.#acks.held({ kind: "rumor_held", peer: peer.id, key, versions: [version] });
        },
        // It is asked again, as long as somebody waits.
        () => undefined,
      );
    }
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
    const reply = await this.#ports.transport.request(peer, { kind: "fetch", key }, timeoutMs);
    if (reply.kind !== "fetched") throw new PeerFault({ code: "bad_message", what: reply.kind });
    if (reply.record !== null) {
      await this.#replica.merge([{ key, record: reply.record }], reply.standing).committed;
    }
    return reply;
  }

  async peerHolds(peer: Peer, key: string, version: Version, timeoutMs: number): Promise<boolean> {
    const reply = await this.#ports.transport.request(peer, { kind: "holds", key, version }, timeoutMs);
    if (reply.kind !== "holds-reply") throw new PeerFault({ code: "bad_message", what: reply.kind });
    return reply.holds;
  }

  /** Sends a record that a read has found stale elsewhere on its way. */
  repairStale(key: string, record: KeyRecord): void {
    this.rumors.spread(key, record, "repair", 0);
  }

  async exchange(peer: Peer, onProgress?: (progress: ExchangeProgress) => void): Promise<ExchangeOutcome> {
    return await this.repair.exchange(peer, onProgress);
  }

  /** Asks whoever is at an address what joining there would mean; nothing changes by it. @throws PeerFault */
  async greet(address: string): Promise<Greeting> {
    const { transport } = this.#ports;
    const hello = { kind: "hello", limits: this.#config.limits } as const;
    const reply = await transport.request({ id: "", address }, hello, HELLO_TIMEOUT_MS);
    if (reply.kind !== "welcome") throw new PeerFault({ code: "bad_message", what: reply.kind });
    const { time, floor, limits } = reply;
    return { time, floor, differing: differingLimits(this.#config.limits, limits) };
  }

  get clock(): Clock {
    return this.#ports.clock;
  }

  get timers(): Timers {
    return this.#ports.timers;
  }

  /** The root as of now, as far as it is published. */
  async publishedRoot(): Promise<string> {
    return (await this.#ports.digests.root()).slice(0, PUBLISHED_ROOT_DIGITS);
  }

  /** No write of this node is later. */
  get lastWrite(): HlcTime {
    return this.#ports.node.lastWrite;
  }

  /** Writers that wait for other replicas. */
  get acksPending(): number {
    return this.#acks.size;
  }

  /** Versions taken with an alarm since the start: this node or the sender has lost data without noticing. */
  get alarms(): number {
    return this.#replica.alarms;
  }

  /** The mean time in which each node publishes its state. */
  get stateIntervalMs(): number {
    return this.#config.stateIntervalMs;
  }

  /**
   * Leaves for good: takes no more writes, makes sure that a member which stays holds everything, retires the own id.
   * @throws PeerFault when no such exchange came about; then this node stays a member
   */
  async leave(): Promise<void> {
    this.#leaving = true;
    try {
      await this.#ports.facts.flush();
      await this.#handOver();
      await this.membership.leave();
      this.#retired = true;
      this.halt();
    } catch (error) {
      this.#leaving = false;
      throw error;
    }
  }

  /**
   * Retires another id by an operator's word, durably. The caller has checked that it is not alive.
   * @throws PeerFault `busy` while the disk takes nothing; the retirement holds and spreads, but may not outlive this run
   */
  async forget(id: NodeId): Promise<void> {
    await this.membership.retire(id);
    if (this.membership.hasRecorded(id)) throw new PeerFault({ code: "busy" });
  }

  async #handOver(): Promise<void> {
    const peers = this.membership.livePeers();
    if (this.size === 1) return;
    let last: unknown = new PeerFault({ code: "unreachable" });
    for (const peer of this.#sampler.sample(peers.length)) {
      try {
        const outcome = await this.repair.exchange(peer);
        if (outcome.concluded && outcome.staying) return;
      } catch (error) {
        last = error;
      }
    }
    throw last;
  }

  #newMembership(): Membership {
    const { node, store, clock, log, timers, transport, random } = this.#ports;
    const { address, zone, protocol, build, swim, hash } = this.#config;
    return new Membership(
      {
        self: { id: node.id, address, zone, protocol, build },
        retired: node.identity.retired,
        config: swim,
        hash,
        generation: clock.nowMs(),
      },
      { meta: store.meta, transport, timers, random: random.fork(), log },
      {
        peersChanged: () => this.#peersChanged(),
        retirementAdopted: (id) => this.#retirementAdopted(id),
        selfRetired: () => this.#selfRetired(),
        nameTaken: (holder) => {
          this.#nameHolder = holder;
        },
      },
    );
  }

  #newKeeper(): CompletenessKeeper {
    const { node, store, graveyard, facts, log } = this.#ports;
    const retention = hlcFromMs(this.#config.tombstoneRetentionMs);
    return new CompletenessKeeper(node.id, retention, this.#config.incarnation, {
      meta: store.meta,
      graveyard,
      log,
      counted: () => this.membership.counted(),
      flush: () => facts.flush(),
      tick: () => node.tick(),
      ownTime: () => node.ownTime(),
      observe: (time) => node.observe(time),
    });
  }

  #newReplica(): LocalReplica {
    const { node, store, digests, graveyard, clock, log, metrics } = this.#ports;
    return new LocalReplica({
      node,
      store,
      digests,
      graveyard,
      keeper: this.keeper,
      clock,
      log,
      metrics,
      tableHash: () => this.membership.counted().tableHash,
      staying: () => !this.#leaving,
    });
  }

  #newRumors(): Rumors {
    const { timers, transport, random } = this.#ports;
    return new Rumors(this.#replica, this.#config.rumors, {
      timers,
      transport,
      random,
      sampler: this.#sampler,
      held: (event) => this.#acks.held(event),
      updatesToSend: () => this.membership.updatesToSend(),
      updatesCame: (updates, from) => this.membership.updatesCame(updates, from),
    });
  }

  #newRepair(): Repair {
    const { clock, timers, transport, random, log, metrics } = this.#ports;
    return new Repair(this.#replica, this.#config.antiEntropy, this.#config.exchange, {
      clock,
      timers,
      transport,
      random,
      log,
      metrics,
      livePeers: () => this.membership.livePeers(),
      exchangeTables: (peer) => this.membership.exchangeTables(peer),
      ended: (peer, fault) => this.#exchangeEnded(peer, fault),
    });
  }

  #newStates(): States {
    const { node, clock, timers, transport, random } = this.#ports;
    return new States(node.id, clock.nowMs(), this.#config.stateIntervalMs, {
      timers,
      transport,
      random,
      sampler: this.#sampler,
      learnt: (id, state) => this.#learnt(id, state),
    });
  }

  #needsToJoin(): boolean {
    const { incarnation, seeds } = this.#config;
    return seeds.length > 0 && (incarnation === "newcomer" || !this.membership.wasMember);
  }

  /**
   * Looks for the members of before at once, and for the configured seeds, should all have moved: whoever came back from
   * a stop of the whole cluster takes everybody else for stopped.
   */
  async #returnTo(): Promise<void> {
    const others = this.membership.members().filter(({ id }) => id !== this.id);
    const seeds = await Promise.all(this.#config.seeds.map((seed) => this.#ports.resolveSeed(seed)));
    this.membership.join([...others.map(({ address }) => address), ...seeds.flat()]);
  }

  #newJoining(): Joining {
    return new Joining(this.#config.seeds, this.#config.swim.joinRetryIntervalMs, HELLO_TIMEOUT_MS, {
      transport: this.#ports.transport,
      timers: this.#ports.timers,
      log: this.#ports.log,
      limits: this.#config.limits,
      resolveSeed: (seed) => this.#ports.resolveSeed(seed),
      others: () => this.membership.members().filter(({ id }) => id !== this.id),
      enter: (seeds) => this.membership.join(seeds),
      take: async (time, floor, watermark) => {
        if (this.#ports.node.observe(Math.max(time, floor, watermark)) !== undefined) return false;
        this.keeper.adoptWatermark(watermark);
        await this.keeper.settleFloor(floor);
        return true;
      },
    });
  }

  async #welcome(from: NodeId): Promise<HelloReply> {
    if (from === this.id) throw new PeerFault({ code: "bad_message", what: "a hello of this very node" });
    const { completeness } = this.keeper;
    return {
      kind: "welcome",
      limits: this.#config.limits,
      time: await this.#ports.node.tick(),
      floor: completeness.floor,
      watermark: completeness.watermark,
      recorded: this.membership.hasRecorded(from),
    };
  }

  #fetched(key: string): FetchReply {
    const { record, lost } = readOrLost(() => this.#ports.store.get(key));
    // That nothing is held would be an answer; that it cannot be read is none.
    if (lost !== undefined) throw new PeerFault({ code: "busy" });
    return { kind: "fetched", standing: this.standing, record: record ?? null };
  }

  async #publish(): Promise<void> {
    // Until it is in the others' table a newcomer counts only itself, and what it then says of completeness is not theirs.
    const unit = this.joiningState.kind === "member" ? await this.keeper.refresh() : undefined;
    const { records, bytes } = this.#ports.facts.stats();
    this.states.publish({
      unit,
      watermark: unit === undefined ? undefined : this.keeper.completeness.watermark,
      keys: records,
      bytes,
      root: await this.publishedRoot(),
      notWritable: this.notWritable()?.code ?? "",
    });
  }

  #exchangeEnded(peer: NodeId, fault: PeerFault | undefined): void {
    const reason = fault?.reason;
    if (reason?.code === "refused" && reason.reason === "clock_drift") {
      this.#skew.refusedBy(peer, this.#ports.timers.monotonicMs());
    } else if (fault === undefined) this.#skew.acceptedBy(peer);
    this.keeper.advance();
  }

  #learnt(id: NodeId, { unit, watermark }: PublishedState): void {
    const latest = Math.max(
      watermark ?? 0,
      unit?.sequence ?? 0,
      unit?.completeThrough ?? 0,
      unit?.settledAt ?? 0,
    );
    if (this.#ports.node.observe(latest) !== undefined) {
      this.#ports.metrics.count("hearsay_future_states_total", 1);
      return;
    }
    if (unit !== undefined) this.keeper.absorb(id, unit);
    if (watermark !== undefined) this.keeper.adoptWatermark(watermark);
    this.keeper.advance();
  }

  #peersChanged(): void {
    const live = this.membership.livePeers();
    this.#sampler.peersChanged(live);
    this.rumors.peersChanged(live, live.length + 1);
    const members = new Set(this.membership.counted().ids);
    this.repair.retain(members);
  }

  #retirementAdopted(id: NodeId): void {
    if (id === this.id) return;
    this.states.retire([id]);
    this.repair.dropSessionsWith(id);
    this.keeper.retirementAdopted().catch((error: unknown) => {
      this.#ports.log.error("retirement_not_settled", { member: id, reason: String(error) });
    });
  }

  #selfRetired(): void {
    if (this.#retired) return;
    this.#retired = true;
    if (!this.#leaving) this.#events.retired();
  }

  /** Repeats a task; the next pause starts when it has ended. */
  #every(ms: number, task: () => Promise<void>): void {
    const arm = (): void => {
      const cancel = this.#ports.timers.after(ms, () => {
        this.#cancels.delete(cancel);
        task()
          .catch((error: unknown) => this.#ports.log.warn("periodic_task_failed", { reason: String(error) }))
          .finally(() => {
            if (!this.#stopped) arm();
          });
      });
      this.#cancels.add(cancel);
    };
    arm();
  }
}

/** Whether a record holds or covers a version. */
export function holdsOrCovers(record: KeyRecord | undefined, version: Version): boolean {
  return record !== undefined && (holds(record, version) || covers(record.context, version));
}
