/**
 * Peer sampling over the whole member list.
 *
 * Invariant: without a weight, every set of `count` peers is equally likely. With one, peers are drawn one after
 * the other without replacement, each in proportion to its weight among those left (Efraimidis and Spirakis,
 * "Weighted random sampling with a reservoir", 2006).
 */
import type { Peer } from "../effects.ts";
import type { NodeId } from "../identity.ts";
import { type RandomSource, randomBelow } from "../random.ts";
import type { PeerSampler, PeerWeight } from "./peer-sampler.ts";

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
    return this.#weigh === undefined ? this.#uniform(count) : this.#weighted(count, this.#weigh);
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

  /** Exponential clocks: the peer of weight w rings first with a chance in proportion to w. */
  #weighted(count: number, weigh: PeerWeight): Peer[] {
    return this.#peers
      .map((peer) => ({ peer, rings: -Math.log(1 - this.#random.next()) / weigh(peer) }))
      .sort((a, b) => a.rings - b.rings)
      .slice(0, count)
      .map(({ peer }) => peer);
  }
}
