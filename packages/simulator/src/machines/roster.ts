/** The nodes of an experiment, and a sampler over them that costs nothing per pair of nodes. */
import { type Peer, type PeerSampler, type RandomSource, randomBelow } from "@hearsay/core";

/** `count` peers with ids of the shape the product mints. */
export function rosterOf(count: number): readonly Peer[] {
  return Array.from({ length: count }, (_, i) => ({ id: `n${i}~0000000000`, address: `n${i}.example:7171` }));
}

/**
 * Every set of peers is equally likely, as with core's full view, but all nodes draw from one array: a full view of 100,000
 * nodes in each of them would hold ten thousand million entries.
 */
export class SharedView implements PeerSampler {
  readonly #self: Peer;
  /** In any order; each draw leaves another one, which makes no difference to the next. */
  readonly #pool: Peer[];
  readonly #random: RandomSource;

  constructor(self: Peer, pool: Peer[], random: RandomSource) {
    this.#self = self;
    this.#pool = pool;
    this.#random = random;
  }

  sample(count: number): readonly Peer[] {
    const pool = this.#pool;
    const drawn: Peer[] = [];
    // One more than wanted, should this node be among them.
    const end = Math.min(count + 1, pool.length);
    for (let i = 0; i < end; i++) {
      const j = i + randomBelow(this.#random, pool.length - i);
      const taken = pool[j];
      const left = pool[i];
      if (taken === undefined || left === undefined) continue;
      pool[i] = taken;
      pool[j] = left;
      if (taken !== this.#self) drawn.push(taken);
    }
    return drawn.slice(0, count);
  }
}
