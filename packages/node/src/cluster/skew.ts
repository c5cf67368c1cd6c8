import type { NodeId } from "@hearsay/core";

/**
 * Whether this node's clock runs ahead of most of its peers: then they refuse what it writes, and it has to say so
 * instead of taking more. A peer's verdict counts until it accepts a time of ours again, or has been silent for long.
 */
export class ClockSkew {
  readonly #memoryMs: number;
  readonly #refusedAtMs: Map<NodeId, number> = new Map();

  constructor(memoryMs: number) {
    this.#memoryMs = memoryMs;
  }

  refusedBy(peer: NodeId, nowMs: number): void {
    this.#refusedAtMs.set(peer, nowMs);
  }

  acceptedBy(peer: NodeId): void {
    this.#refusedAtMs.delete(peer);
  }

  isAheadOfMost(livePeers: () => readonly { readonly id: NodeId }[], nowMs: number): boolean {
    // Asked before every write, and almost always at once answered.
    if (this.#refusedAtMs.size === 0) return false;
    for (const [peer, atMs] of this.#refusedAtMs) {
      if (nowMs - atMs > this.#memoryMs) this.#refusedAtMs.delete(peer);
    }
    const live = livePeers();
    const refusing = live.filter(({ id }) => this.#refusedAtMs.has(id)).length;
    return refusing > 0 && refusing * 2 > live.length;
  }
}
