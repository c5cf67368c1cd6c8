/**
 * Peer sampling over the whole member list.
 *
 * Invariant: without a weight, every set of `count` peers is equally likely. With one, peers are drawn one after
 * the other without replacement, each in proportion to its weight among those left.
 */
import type { Peer } from "../effects.ts";
import type { NodeId } from "../identity.ts";
import { type RandomSource, randomBelow } from "../random.ts";
import type { PeerSampler, PeerWeight } from "./peer-sampler.ts";

/**
 * For each peer wanted. Where peers are well the first tries do. Only where few weigh anything are all peers weighed, and
 * what was tried before has no part in what is drawn then.
 */
const TRIES_PER_PEER = 8;

export class FullView implements PeerSampler {
  readonly #self: NodeId;
  readonly #random: RandomSource;
  readonly #weigh: PeerWeight | undefined;
  #peers: Peer[] = [];

  constructor(self: NodeId, random: RandomSource, weigh?: PeerWeight) {
    this.#self = self;
    this.#random = random;
    this.#weigh = weigh;
  }

  /** Takes over the live members; the node itself may be among them and is left out. */
  peersChanged(live: readonly Peer[]): void {
    this.#peers = live.filter((peer) => peer.id !== this.#self);
  }

  sample(count: number): readonly Peer[] {
    if (this.#weigh === undefined) return this.#uniform(count);
    const wanted = Math.min(count, this.#peers.length);
    const chosen: Set<Peer> = new Set();
    this.#accept(wanted, this.#weigh, chosen);
    if (chosen.size < wanted) this.#weighAll(wanted, this.#weigh, chosen);
    return [...chosen];
  }

  /** The first steps of a Fisher-Yates shuffle in place: the cost follows `count`, not the number of peers. */
  #uniform(count: number): Peer[] {
    const peers = this.#peers;
    const end = Math.min(count, peers.length);
    for (let i = 0; i < end; i++) {
      const j = i + randomBelow(this.#random, peers.length - i);
      const a = peers[i];
      const b = peers[j];
      if (a !== undefined && b !== undefined) {
        peers[i] = b;
        peers[j] = a;
      }
    }
    return peers.slice(0, end);
  }

  /** Rejection: a peer drawn like any other is taken with a chance of its weight, so the cost follows `count`. */
  #accept(count: number, weigh: PeerWeight, chosen: Set<Peer>): void {
    for (let tries = TRIES_PER_PEER * count; tries > 0 && chosen.size < count; tries--) {
      const peer = this.#peers[randomBelow(this.#random, this.#peers.length)];
      if (peer !== undefined && !chosen.has(peer) && this.#random.next() < weigh(peer)) chosen.add(peer);
    }
  }

  /**
   * Exponential clocks: the peer of weight w rings first with a chance in proportion to w (Efraimidis and Spirakis,
   * "Weighted random sampling with a reservoir", 2006).
   */
  #weighAll(count: number, weigh: PeerWeight, chosen: Set<Peer>): void {
    const clocks = this.#peers
      .filter((peer) => !chosen.has(peer))
      .map((peer) => ({ peer, rings: -Math.log(1 - this.#random.next()) / weigh(peer) }))
      .sort((a, b) => a.rings - b.rings);
    for (const { peer } of clocks.slice(0, count - chosen.size)) chosen.add(peer);
  }
}
