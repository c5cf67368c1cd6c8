/**
 * What moves the watermark, on virtual time: exchanges between replicas that hold the same, which spread the vectors, and
 * the gossip of node states, which spreads each node's unit. Clocks agree, and nobody writes.
 */
import {
  ANTI_ENTROPY_DEFAULTS,
  Completeness,
  type CompletenessState,
  type CountedMembers,
  DEFAULT_STATE_GOSSIP_OPTIONS,
  type ExchangeEqual,
  type ExchangeOffer,
  ExchangeSchedule,
  type ExchangeStart,
  type HlcTime,
  hlcFromMs,
  hlcToMs,
  INITIAL_COMPLETENESS,
  isHlcTime,
  NODE_STATE_LIMITS,
  NodeStates,
  type Peer,
  type PeerReply,
  type PeerRequest,
  SeededRandom,
  type StateEffect,
  StateGossip,
  type StateReply,
} from "@hearsay/core";
import { formatUnit, parseUnit } from "@hearsay/node";
import { encodeReply, encodeRequest } from "@hearsay/wire";
import { Agenda } from "./agenda.ts";
import { CallNetwork, type NetworkSettings } from "./call-network.ts";
import { rosterOf, SharedView } from "./roster.ts";

export interface WatermarkClusterSettings {
  readonly nodes: number;
  readonly seed: number;
  readonly network: NetworkSettings;
  /** Members that are counted; the rest only pass on. All if left out. */
  readonly counted?: number;
}

const TABLE_HASH = "0123456789abcdef";
const ROOT = new Uint8Array(32);
const STANDING = { floor: 0, complete: true };
/** All have been members for long. */
const SETTLED: CompletenessState = { ...INITIAL_COMPLETENESS, recorded: true, complete: true };
const RETENTION = hlcFromMs(3_600_000);
const TIMEOUT_MS = 5_000;
/** Where the clocks start: 0 is before every time a clock issues. */
const EPOCH_MS = 1_000_000;

interface WatermarkNode {
  readonly peer: Peer;
  readonly members: CountedMembers;
  readonly completeness: Completeness;
  readonly states: NodeStates;
  readonly gossip: StateGossip;
  readonly schedule: ExchangeSchedule;
  readonly isCounted: boolean;
}

export class WatermarkCluster {
  readonly agenda: Agenda = new Agenda();
  readonly network: CallNetwork<PeerRequest, PeerReply>;
  /** Bytes of exchanges alone. */
  exchangeBytes = 0;
  readonly #nodes: WatermarkNode[] = [];
  readonly #roster: readonly Peer[];

  constructor({ nodes, seed, network, counted = nodes }: WatermarkClusterSettings) {
    const random = new SeededRandom(seed);
    this.network = new CallNetwork(this.agenda, network, random.fork(), {
      request: ({ id }, message) =>
        this.#count(message, encodeRequest({ cluster: "hearsay", from: id, message })),
      reply: ({ id }, message) => this.#count(message, encodeReply({ from: id, message })),
    });
    this.#roster = rosterOf(nodes);
    const pool = [...this.#roster];
    const ids = this.#roster.slice(0, counted).map(({ id }) => id);
    const limits = { ...NODE_STATE_LIMITS, maxNodes: Math.max(NODE_STATE_LIMITS.maxNodes, nodes) };
    for (const [i, peer] of this.#roster.entries()) {
      const isCounted = i < counted;
      const states = new NodeStates(peer.id, EPOCH_MS, limits);
      const view = new SharedView(peer, pool, random.fork());
      const node: WatermarkNode = {
        peer,
        members: { ids, tableHash: TABLE_HASH },
        completeness: new Completeness(peer.id, RETENTION, SETTLED),
        states,
        gossip: new StateGossip(states, DEFAULT_STATE_GOSSIP_OPTIONS, view, random.fork()),
        schedule: new ExchangeSchedule(ANTI_ENTROPY_DEFAULTS, random.fork()),
        isCounted,
      };
      this.#nodes.push(node);
      this.network.serve(peer.address, (from, message, answer) => this.#serve(node, from, message, answer));
      this.#perform(node, node.gossip.start());
      this.agenda.after(random.next() * ANTI_ENTROPY_DEFAULTS.intervalMs, () => this.#exchange(node));
    }
  }

  /** How far the watermark of each counted node trails the clocks, in milliseconds. */
  lagsMs(): number[] {
    const wallMs = this.#wallMs();
    return this.#nodes
      .filter(({ isCounted }) => isCounted)
      .map(({ completeness }) => wallMs - hlcToMs(completeness.watermark));
  }

  #wallMs(): number {
    return EPOCH_MS + Math.floor(this.agenda.nowMs);
  }

  #time(): HlcTime {
    return hlcFromMs(this.#wallMs());
  }

  #count({ kind }: PeerRequest | PeerReply, encoded: Uint8Array): number {
    if (kind.startsWith("exchange-")) this.exchangeBytes += encoded.length;
    return encoded.length;
  }

  #publish(node: WatermarkNode): void {
    if (!node.isCounted) return;
    const { completeness, members, states } = node;
    states.set("unit", formatUnit(completeness.unit(members, this.#time(), this.#time())));
    completeness.advance(members);
    states.set("watermark", completeness.watermark);
  }

  #exchange(node: WatermarkNode): void {
    const { schedule, completeness, peer } = node;
    this.agenda.after(schedule.pauseMs(this.agenda.nowMs), () => this.#exchange(node));
    const to = schedule.choose(this.#roster);
    if (to === undefined || to === peer) return;
    const begun = completeness.begin();
    const start: ExchangeStart = {
      kind: "exchange-start",
      session: 1,
      tableHash: TABLE_HASH,
      standing: STANDING,
      offer: this.#offer(node),
      root: ROOT,
    };
    this.network.call(peer, to, start, TIMEOUT_MS, (reply) => {
      if (reply?.kind !== "exchange-equal") return;
      completeness.exchanged(to.id, reply.offer, reply.standing, begun);
      this.#publish(node);
      this.#perform(node, node.gossip.meet(to));
      // Equal, and what it was: the pace of a cluster where nothing is going on, which is the slowest.
      schedule.met({ equal: true, root: "" });
    });
  }

  /** The own entry only where it counts: vectors have no room for others. */
  #offer(node: WatermarkNode): ExchangeOffer {
    const offer = node.completeness.offer(this.#time());
    if (node.isCounted) return offer;
    const vector = new Map(offer.vector);
    vector.delete(node.peer.id);
    return { time: offer.time, vector };
  }

  #serve(node: WatermarkNode, from: Peer, message: PeerRequest, answer: (reply: PeerReply) => void): void {
    if (message.kind === "exchange-start") {
      const reply: ExchangeEqual = {
        kind: "exchange-equal",
        standing: STANDING,
        offer: this.#offer(node),
        staying: true,
        wallMs: this.#wallMs(),
      };
      node.completeness.exchanged(from.id, message.offer, message.standing, node.completeness.begin());
      this.#publish(node);
      answer(reply);
    } else if (message.kind === "state-digest" || message.kind === "state-delta") {
      this.#perform(node, node.gossip.onRequest(0, message), answer);
    }
  }

  #perform(node: WatermarkNode, effects: readonly StateEffect[], answer?: (reply: StateReply) => void): void {
    let learnt = false;
    for (const effect of effects) {
      if (effect.kind === "timer") {
        this.network.after(node.peer.address, effect.afterMs, () =>
          this.#perform(node, node.gossip.onTimer()),
        );
      } else if (effect.kind === "reply") answer?.(effect.message);
      else if (effect.kind === "request") {
        this.network.call(node.peer, effect.to, effect.message, effect.timeoutMs, (reply) => {
          if (reply?.kind === "state-answer" || reply?.kind === "state-done")
            this.#perform(node, node.gossip.onReply(effect.id, reply));
          else node.gossip.onFailure(effect.id);
        });
      } else if (effect.event.kind === "state_changed") {
        this.#learn(node, effect.event.node);
        learnt = true;
      }
    }
    // Once a message and not once a state: what it comes to is the same.
    if (!learnt) return;
    node.completeness.advance(node.members);
    if (node.isCounted) node.states.set("watermark", node.completeness.watermark);
  }

  #learn({ states, completeness }: WatermarkNode, about: string): void {
    const values = states.get(about)?.values;
    const unit = values?.get("unit")?.value;
    const parsed = typeof unit === "string" ? parseUnit(unit, true) : undefined;
    if (parsed !== undefined) completeness.absorb(about, parsed);
    const watermark = values?.get("watermark")?.value;
    if (isHlcTime(watermark)) completeness.adoptWatermark(watermark);
  }
}
