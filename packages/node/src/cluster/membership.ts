/**
 * Drives the membership machine: its table survives restarts, its events reach the rest of the node, and what a
 * retirement demands is done in order.
 */
import {
  type CountedMembers,
  HELLO_IDS_MAX,
  isLiveMember,
  type Member,
  type MemberState,
  type NodeId,
  type Peer,
  PHI_ACCRUAL_DEFAULTS,
  PhiAccrual,
  type RandomSource,
  Swim,
  type SwimConfig,
  type SwimEffect,
  type SwimEvent,
  type SwimReply,
  type SwimRequest,
  type SwimStats,
  type SwimTimer,
  type Update,
} from "@hearsay/core";
import type { Log, MetaStore } from "../ports.ts";
import type { RepeatLog } from "../repeat-log.ts";
import { EffectDriver } from "./effect-driver.ts";
import { logMembership } from "./membership-log.ts";
import { expectMembership } from "./membership-reply.ts";
import type { Timers, Transport } from "./ports.ts";
import { readTable, StoredTable } from "./stored-table.ts";

export interface MembershipPorts {
  readonly meta: MetaStore;
  readonly transport: Transport;
  readonly timers: Timers;
  readonly random: RandomSource;
  readonly log: Log;
  readonly troubles: RepeatLog;
}

export interface MembershipOptions {
  readonly self: Omit<Member, "generation" | "state">;
  /** Ids of this directory's earlier incarnations: retired by their successor. */
  readonly retired: readonly NodeId[];
  readonly config: SwimConfig;
  /** 16 hexadecimal digits of a text. */
  readonly hash: (text: string) => string;
  /** Raised with every start, so that a restart is not mistaken for the run before it. */
  readonly generation: number;
  /** Whether this node has been a member, and before that, who let it in; see {@link SwimOptions}. */
  readonly belongs: () => boolean;
  readonly boundTo: () => readonly NodeId[];
}

export interface MembershipListener {
  /** The set of live peers, or the address of one, changed. */
  peersChanged(): void;
  /** An id was retired: everything under way with it is void from this moment. */
  retirementAdopted(id: NodeId): void;
  /** This node's own id is retired: it may come back only under a new one. */
  selfRetired(): void;
  /** Another live node has this node's name. */
  nameTaken(holder: Peer): void;
}

export class Membership {
  readonly #swim: Swim;
  readonly #driver: EffectDriver<SwimRequest, SwimReply, SwimReply, SwimTimer, SwimEvent>;
  readonly #ports: MembershipPorts;
  readonly #listener: MembershipListener;
  readonly #updatesMax: number;
  readonly #phi: PhiAccrual = new PhiAccrual(PHI_ACCRUAL_DEFAULTS);
  #announced: (() => void) | undefined;
  readonly #stored: StoredTable;
  /** This id was a member among others in an earlier run, at least as far as it knows itself. */
  readonly wasMember: boolean;
  /** Where others were found in an earlier run, under whatever ids. */
  readonly knownAddresses: readonly string[];
  /** This id was retired in an earlier run, and never comes back. */
  readonly wasRetired: boolean;
  #isLeaving = false;
  /** Ids were retired in the step that is being performed. */
  #areRetired = false;
  #otherClusterAt: string | undefined;

  constructor(options: MembershipOptions, ports: MembershipPorts, listener: MembershipListener) {
    this.#ports = ports;
    this.#listener = listener;
    this.#updatesMax = options.config.piggybackMaxItems;
    const known = readTable(ports.meta);
    const isOwn = (id: NodeId): boolean => id === options.self.id || options.retired.includes(id);
    const isAmongOthers = known.members.length > 1 || !known.retired.every(isOwn);
    this.wasMember = isAmongOthers && known.members.some(({ id }) => id === options.self.id);
    this.knownAddresses = known.members.filter(({ id }) => !isOwn(id)).map(({ address }) => address);
    this.wasRetired = known.retired.includes(options.self.id);
    this.#stored = new StoredTable(known, ports, () => ({
      members: this.#swim.table.members(),
      retired: this.#swim.table.newestRetired(this.retiredCount),
      entered: this.#swim.entered,
    }));
    this.#swim = new Swim({
      self: { ...options.self, generation: options.generation, state: "alive" },
      config: options.config,
      random: ports.random,
      hash: options.hash,
      entered: known.entered && this.knownAddresses.length > 0,
      belongs: options.belongs,
      boundTo: options.boundTo,
      known: {
        members: known.members.filter(({ id }) => id !== options.self.id),
        retired: [...known.retired.filter((id) => !options.retired.includes(id)), ...options.retired],
      },
    });
    this.#driver = new EffectDriver(
      {
        answered: (id, reply) => this.#swim.reply(id, reply, ports.timers.monotonicMs()),
        failed: (id, failure) => this.#swim.failed(id, failure, ports.timers.monotonicMs()),
        timer: (timer) => this.#swim.timer(timer, ports.timers.monotonicMs()),
        event: (event) => this.#onEvent(event),
        performed: () => this.#performed(),
      },
      async (to, message, timeoutMs) =>
        expectMembership(await ports.transport.request(to, message, timeoutMs)),
      ports.timers,
    );
  }

  start(): void {
    this.#driver.perform(this.#swim.start(this.#ports.timers.monotonicMs()));
  }

  join(seeds: readonly string[]): void {
    this.#driver.perform(this.#swim.join(seeds));
  }

  stop(): void {
    this.#driver.stop();
    this.#stored.stop();
    this.#announced?.();
  }

  get self(): Member {
    return this.#swim.self;
  }

  get stats(): SwimStats {
    return this.#swim.stats;
  }

  counted(): CountedMembers {
    return this.#swim.table.counted();
  }

  members(): readonly Member[] {
    return this.#swim.table.members();
  }

  get retiredCount(): number {
    return this.#swim.table.retiredCount;
  }

  stateOf(id: NodeId): MemberState | undefined {
    return this.#swim.table.stateOf(id);
  }

  peer(id: NodeId): Peer | undefined {
    return this.#swim.table.get(id);
  }

  /** Live members but this node itself. */
  livePeers(): readonly Member[] {
    return this.#swim.table.live().filter(({ id }) => id !== this.self.id);
  }

  isRetired(id: NodeId): boolean {
    return this.#swim.table.isRetired(id);
  }

  /** Ids that are known here, at most {@link HELLO_IDS_MAX}: counted ones first. */
  someIds(): NodeId[] {
    const { table } = this.#swim;
    const ids = table.members().map(({ id }) => id);
    return [...ids, ...table.newestRetired(HELLO_IDS_MAX)].slice(0, HELLO_IDS_MAX);
  }

  isOfOtherCluster(theirs: readonly NodeId[]): boolean {
    return this.#swim.isOfOtherCluster(theirs);
  }

  /** Where a node of another cluster of this name was met in this run, unless it has become a member of this one since. */
  get otherClusterAt(): string | undefined {
    const at = this.#otherClusterAt;
    return this.livePeers().some(({ address }) => address === at) ? undefined : at;
  }

  /** What this node has taken over of the table of a cluster. */
  get entry(): Pick<Swim, "entered" | "isTold"> {
    return this.#swim;
  }

  /** Whether this node has an id on disk as a counted member. */
  hasRecorded(id: NodeId): boolean {
    return this.#stored.has(id);
  }

  phi(id: NodeId): number | undefined {
    return this.#phi.phi(id, this.#ports.timers.monotonicMs());
  }

  /** A message of this peer arrived. */
  heard(id: NodeId): void {
    this.#phi.heard(id, this.#ports.timers.monotonicMs());
  }

  /** Membership changes for a message of another protocol; each counts as sent. */
  updatesToSend(): readonly Update[] {
    return this.#swim.piggyback(this.#updatesMax);
  }

  updatesCame(updates: readonly Update[], from: NodeId): void {
    this.#driver.perform(this.#swim.absorb(updates, from, this.#ports.timers.monotonicMs()));
  }

  async answer(message: SwimRequest): Promise<SwimReply> {
    return await this.#driver.serve((token) =>
      this.#swim.request(message, token, this.#ports.timers.monotonicMs()),
    );
  }

  /** Exchanges whole tables with a peer; settles when it is done or has failed. */
  async exchangeTables(peer: Peer): Promise<void> {
    await this.#driver.settled(this.#swim.exchangeTables(peer));
  }

  /** Says that this node stops and means to come back; settles when peers have been told or could not be. */
  async announceStopped(): Promise<void> {
    await this.#announce(() => this.#swim.announceStopped());
  }

  /** Retires this node's own id. @returns whether that is durable here; where it is not, the disk is asked again and again */
  async leave(): Promise<boolean> {
    this.#isLeaving = true;
    await this.#announce(() => this.#swim.leave(this.#ports.timers.monotonicMs()));
    return await this.#stored.saved();
  }

  /** Retires another id, for ever; settles when that is durable here. */
  async retire(id: NodeId): Promise<void> {
    this.#driver.perform(this.#swim.retire(id, this.#ports.timers.monotonicMs()));
    await this.#stored.saved();
  }

  /** Settles when the newest save of the table has ended. @returns whether it is on disk */
  async saved(): Promise<boolean> {
    return await this.#stored.saved();
  }

  /** Settles also when there is nobody to tell any more: this node is retired, or was stopped without a word meanwhile. */
  async #announce(say: () => readonly SwimEffect[]): Promise<void> {
    const effects = say();
    if (effects.length === 0) return;
    const done = new Promise<void>((resolve) => {
      this.#announced = resolve;
    });
    this.#driver.perform(effects);
    await done;
  }

  #onEvent(event: SwimEvent): void {
    logMembership(event, this.#ports, { self: this.self.id, isLeaving: this.#isLeaving });
    switch (event.kind) {
      case "member-changed":
        this.#memberChanged(event);
        break;
      case "member-retired":
        this.#phi.forget(event.id);
        this.#listener.retirementAdopted(event.id);
        this.#areRetired = true;
        break;
      case "entered":
        this.#stored.saveSoon();
        break;
      case "self-retired":
        this.#listener.selfRetired();
        break;
      case "other-cluster":
        this.#otherClusterAt = event.at.address;
        break;
      case "refused":
        if (event.code === "name_taken" && event.holder !== undefined) this.#listener.nameTaken(event.holder);
        break;
      case "announced":
        this.#announced?.();
    }
  }

  /** Once for all ids of a page, as either looks at the whole table. */
  #performed(): void {
    if (!this.#areRetired) return;
    this.#areRetired = false;
    // At once: it has to be on disk before anything says that it is settled.
    this.#stored.save();
    this.#listener.peersChanged();
  }

  /** A storm of suspicions changes neither who is there nor where, and must not cost what news of that do. */
  #memberChanged({ member, previous }: Extract<SwimEvent, { readonly kind: "member-changed" }>): void {
    const isElsewhere = member.address !== previous?.address;
    if (isElsewhere) this.#stored.saveSoon();
    else this.#stored.saveLater();
    const wasLive = previous !== undefined && isLiveMember(previous);
    if (isElsewhere || isLiveMember(member) !== wasLive) this.#listener.peersChanged();
  }
}
