/**
 * How a member comes and goes: joining, returning, leaving, forgetting others; and whether it takes client writes
 * meanwhile.
 *
 * Leaving: no more writes, an exchange with a member that itself stays, then the own id is retired. If a retirement is
 * adopted meanwhile it begins again: what the retired one gave this node after the exchange had begun, nobody else may
 * have. If no such exchange comes about the node stays what it was.
 */
import {
  floorAhead,
  type HelloReply,
  type HelloRequest,
  hlcFromMs,
  isLiveMember,
  type NodeId,
  type Peer,
} from "@hearsay/core";
import { PeerFault } from "../peer-fault.ts";
import { handOver } from "./handing-over.ts";
import { differingLimits, HELLO_TIMEOUT_MS, type JoiningState } from "./joining.ts";
import type { Greeting, MemberConfig, MemberPorts, NotWritable } from "./member-config.ts";
import type { MemberParts } from "./member-parts.ts";
import { ClockSkew } from "./skew.ts";

/** How long a peer's complaint about our clock counts without being repeated. */
const SKEW_MEMORY_MS = 30_000;

/** How often the configured seeds are looked for while a member is away. */
export const SEEDS_INTERVAL_MS = 15_000;

export class Lifecycle {
  readonly #config: MemberConfig;
  readonly #ports: MemberPorts;
  readonly #parts: MemberParts;
  readonly #skew: ClockSkew = new ClockSkew(SKEW_MEMORY_MS);
  #nameHolder: Peer | undefined;
  #leaving = false;
  /** It has handed over, so its retirement is its own doing. */
  #hasLeft = false;
  #retired: boolean;

  constructor(config: MemberConfig, ports: MemberPorts, parts: MemberParts) {
    this.#config = config;
    this.#ports = ports;
    this.#parts = parts;
    this.#retired = parts.membership.wasRetired;
  }

  /** Whether a member that leaves may rely on this one. */
  get isStaying(): boolean {
    return !this.#leaving && this.joiningState.kind === "member";
  }

  /** What this one is given from now on may go with it. */
  get isLeaving(): boolean {
    return this.#leaving;
  }

  get isRetired(): boolean {
    return this.#retired;
  }

  get joiningState(): JoiningState {
    return this.#parts.joining?.state ?? { kind: "member" };
  }

  /** Undefined when client writes are taken. */
  notWritable(): NotWritable | undefined {
    if (this.#retired) return { code: "retired" };
    if (this.#leaving) return { code: "leaving" };
    const holder = this.#liveNameHolder();
    if (holder !== undefined) return { code: "name_taken", by: holder.address };
    const joining = this.#parts.joining?.state;
    if (joining?.kind === "joining") {
      return { code: "joining", recordedBy: joining.recordedBy, needed: joining.needed };
    }
    if (joining?.kind === "not_let_in")
      return { code: "data_too_old", by: joining.by, reason: joining.reason };
    if (joining?.kind === "refused") return { code: "limits_differ", by: joining.by, knobs: joining.knobs };
    const nowMs = this.#ports.timers.monotonicMs();
    return this.#skew.isAheadOfMost(() => this.#parts.membership.livePeers(), nowMs)
      ? { code: "clock_skew" }
      : undefined;
  }

  /** The one that others took for alive when they refused this node; by now it may be known to be gone. */
  #liveNameHolder(): Peer | undefined {
    const holder = this.#nameHolder;
    if (holder === undefined) return undefined;
    const state = this.#parts.membership.stateOf(holder.id);
    return state === undefined || state === "alive" || state === "suspect" ? holder : undefined;
  }

  nameTaken(holder: Peer): void {
    this.#nameHolder = holder;
  }

  /** @returns whether that is news that nobody here has asked for */
  selfRetired(): boolean {
    if (this.#retired) return false;
    this.#retired = true;
    return !this.#hasLeft;
  }

  /**
   * Who was alone in doubt has company. By others that were there before it has to be let in as anyone that comes into doubt among others,
   * and says nothing to them of what it knew.
   */
  foundBy(who: "newcomer" | "others"): void {
    const { keeper, membership, states, troubles } = this.#parts;
    keeper.foundBy(who).catch((error: unknown) => troubles.failed("completeness_not_saved", error));
    if (who === "newcomer") return;
    states.say("unit", "");
    states.say("watermark", 0);
    const others = membership.members().filter(({ id }) => id !== this.#ports.node.id);
    this.#parts.joining = this.#parts.newJoining(others.map(({ address }) => address));
    this.start();
  }

  /** What a peer's taking or refusing of an exchange says of this node's clock. */
  exchangeEnded(peer: NodeId, fault: PeerFault | undefined): void {
    const reason = fault?.reason;
    if (reason?.code === "refused" && reason.reason === "clock_drift") {
      this.#skew.refusedBy(peer, this.#ports.timers.monotonicMs());
    } else if (fault === undefined) this.#skew.acceptedBy(peer);
  }

  start(): void {
    this.#parts.joining?.start();
  }

  stop(): void {
    this.#parts.joining?.stop();
  }

  /**
   * Looks for the members of before at once, and for the configured seeds, should all have moved: whoever came back from
   * a stop of the whole cluster takes everybody else for stopped.
   */
  returnTo(): void {
    const { membership, troubles } = this.#parts;
    const others = membership.members().filter(({ id }) => id !== this.#ports.node.id);
    const addresses = others.map(({ address }) => address);
    membership.join(addresses);
    // Nothing waits for a name service.
    this.#seedAddresses().then(
      (seeds) => membership.join([...seeds, ...addresses]),
      (error: unknown) => troubles.failed("seed_lookup_failed", error),
    );
  }

  /** Looks for the configured seeds while a member is away: it may have moved, and so may this node, or a name lead elsewhere. */
  async lookForAway(): Promise<void> {
    const { membership } = this.#parts;
    const isAnyAway = membership.members().some((member) => !isLiveMember(member));
    if (this.joiningState.kind !== "member" || !isAnyAway) return;
    const addresses = await this.#seedAddresses();
    if (addresses.length > 0) membership.join(addresses);
  }

  async #seedAddresses(): Promise<string[]> {
    const found = await Promise.all(this.#config.seeds.map((seed) => this.#ports.resolveSeed(seed)));
    return found.flat();
  }

  /** Answers a node that asks to be let in. */
  async welcome(from: NodeId, { knows, belongs, boundTo }: HelloRequest): Promise<HelloReply> {
    const { keeper, membership, joining, troubles } = this.#parts;
    const { completeness } = keeper;
    const related = !membership.isOfOtherCluster(knows);
    const areBoth = (belongs || boundTo.length > 0) && (keeper.hasBelonged || keeper.boundTo.length > 0);
    const isStrange = membership.isOfOtherCluster([...knows, ...boundTo]);
    const isSelf = from === this.#ports.node.id;
    const isApart = keeper.isOutside && !isSelf && (await joining?.isApart()) === true;
    if (isApart || (areBoth && isStrange)) {
      troubles.note("other_cluster", { code: "other_cluster", member: from }, from);
      throw new PeerFault({ code: "other_cluster" });
    }
    // They would begin a cluster with it beside the one that may have recorded it.
    if (keeper.letInBy !== null && isStrange) throw new PeerFault({ code: "busy" });
    // Before the clock is read: the sender takes it for a time at which it was recorded here.
    const hasRecorded = membership.hasRecorded(from);
    const { hasBelonged, founders, isAloneInDoubt } = keeper;
    // One that was told of fewer would begin a cluster by this one's word, and the others that this one was told of another one. An older
    // build does not say of how many.
    const isOfAsMany = boundTo.length === 0 || boundTo.length >= founders.length;
    return {
      kind: "welcome",
      limits: this.#config.limits,
      time: await this.#ports.node.tick(),
      // Others than newcomers would take over what is none of theirs, and newcomers will have it when they exchange.
      floor: isAloneInDoubt ? 0 : completeness.floor,
      watermark: isAloneInDoubt ? 0 : completeness.watermark,
      recorded: hasRecorded && (hasBelonged || (joining?.isFounding === true && isOfAsMany)),
      // Who was told of its own address, too, finds nobody else there.
      newcomer: isSelf || !hasBelonged,
      related,
      by: this.#ports.node.id,
    };
  }

  /** Asks whoever is at an address what joining there would mean; nothing changes by it. @throws PeerFault */
  async greet(address: string): Promise<Greeting> {
    // It would enter as a newcomer.
    const { boundTo } = this.#parts.keeper;
    const hello = { kind: "hello", limits: this.#config.limits, knows: [], belongs: false, boundTo } as const;
    const reply = await this.#ports.transport.request({ id: "", address }, hello, HELLO_TIMEOUT_MS);
    if (reply.kind !== "welcome") throw new PeerFault({ code: "bad_message", what: reply.kind });
    const { time, limits } = reply;
    const floor = floorAhead(reply.floor, time, hlcFromMs(limits.tombstoneRetentionMs));
    return { time, floor, differing: differingLimits(this.#config.limits, limits) };
  }

  /**
   * @throws PeerFault when nobody who stays could be given everything; then this node stays a member. `busy` when it is one no
   * more and its disk does not take that: from the directory as it is, it would come back as one. It may be told to leave again.
   * `retired` when it is one no more for another reason, as when it was forgotten: it has handed nothing over
   */
  async leave(): Promise<void> {
    const { membership } = this.#parts;
    if (!this.#hasLeft) await this.#makeSureOfAll();
    const isDurable = await membership.leave();
    this.#retired = true;
    if (!isDurable) throw new PeerFault({ code: "busy" });
  }

  /** Takes no more writes, and gives all there is to one who stays. */
  async #makeSureOfAll(): Promise<void> {
    this.#leaving = true;
    try {
      const { membership, repair, sampler } = this.#parts;
      let retired: number;
      do {
        retired = membership.retiredCount;
        const peers = sampler.sample(membership.livePeers().length);
        await handOver(peers, (peer) => repair.exchange(peer));
      } while (membership.retiredCount !== retired);
      this.#hasLeft = true;
    } catch (error) {
      this.#leaving = false;
      throw this.#retired ? new PeerFault({ code: "retired" }) : error;
    }
  }

  /**
   * Retires another id by an operator's word, durably. The caller has checked that it is not alive.
   * @throws PeerFault `busy` while the disk takes nothing; the retirement holds and spreads, but may not outlive this
   * run. `unknown_member` while this node is not a member itself; then nothing is changed
   */
  async forget(id: NodeId): Promise<void> {
    // It would make itself a cluster of one, beside the one that has not recorded it.
    if (this.joiningState.kind !== "member") throw new PeerFault({ code: "unknown_member" });
    const { membership } = this.#parts;
    await membership.retire(id);
    if (membership.hasRecorded(id)) throw new PeerFault({ code: "busy" });
  }
}
