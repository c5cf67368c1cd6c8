import type { Peer } from "../effects.ts";

/**
 * Whom to gossip with. Every protocol that needs a random peer asks this interface, so that a full and a partial
 * view of the cluster are interchangeable (Jelasity et al., "Gossip-based Peer Sampling", 2007, section 2).
 */
export interface PeerSampler {
  /**
   * Up to `count` distinct peers believed to be live, in random order, never the node itself. Fewer when fewer
   * are known.
   */
  sample(count: number): readonly Peer[];
}

/** How much a peer is favoured: above 0 and at most 1; 1 for an ordinary peer, 0.5 for one drawn half as readily. */
export type PeerWeight = (peer: Peer) => number;

/**
 * Draws peers with a high suspicion less often: the weight is 1 / (1 + φ), so a silent peer is still tried now and
 * then and can show that it is back.
 */
export function preferHealthy(phiOf: (peer: Peer) => number): PeerWeight {
  return (peer) => 1 / (1 + Math.max(0, phiOf(peer)));
}

/**
 * Draws peers of other zones with `remoteWeight` (above 0, at most 1) against 1 for the own zone. Traffic between zones
 * falls, and no zone is ever cut off, because every peer keeps a chance in every draw.
 */
export function preferZone(options: {
  readonly own: string;
  readonly zoneOf: (peer: Peer) => string | undefined;
  readonly remoteWeight: number;
}): PeerWeight {
  return (peer) => (options.zoneOf(peer) === options.own ? 1 : options.remoteWeight);
}

export function combinedWeight(...weights: readonly PeerWeight[]): PeerWeight {
  return (peer) => weights.reduce((product, weight) => product * weight(peer), 1);
}
