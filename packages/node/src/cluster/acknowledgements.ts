import type { HlcTime, NodeId, RumorHeldEvent, Version } from "@hearsay/core";

/** A write of this node whose writer waits until enough peers durably hold it. */
export interface AwaitedWrite {
  readonly key: string;
  readonly version: Version;
  /** When the wait began. */
  readonly sinceMs: number;
}

interface Pending extends AwaitedWrite {
  readonly needed: number;
  readonly peers: Set<NodeId>;
  readonly done: (peers: number) => void;
}

export interface AckWait {
  /** Those that hold it by now. */
  readonly peers: ReadonlySet<NodeId>;
  /** Ends the wait, and tells how many held it then. */
  end(): number;
}

/**
 * Counts which peers hold a write of this node, for `ack=n`. A peer whose record of the key has the write, or a later one
 * of the same node, holds or covers the write: the node's later record was built upon it. A later version of another node
 * says nothing, because the two may be concurrent.
 *
 * Bound: as many as `maxPending` writers wait; one more is refused.
 */
export class Acknowledgements {
  readonly #maxPending: number;
  readonly #byKey: Map<string, Set<Pending>> = new Map();
  /** In the order in which they began to wait. */
  readonly #waiting: Set<Pending> = new Set();

  constructor(maxPending: number) {
    this.#maxPending = maxPending;
  }

  get size(): number {
    return this.#waiting.size;
  }

  get full(): boolean {
    return this.size >= this.#maxPending;
  }

  /** Calls back once `needed` peers hold the write. */
  wait(write: AwaitedWrite, needed: number, done: (peers: number) => void): AckWait {
    const pending: Pending = { ...write, needed, peers: new Set(), done };
    const others = this.#byKey.get(write.key);
    if (others === undefined) this.#byKey.set(write.key, new Set([pending]));
    else others.add(pending);
    this.#waiting.add(pending);
    return {
      peers: pending.peers,
      end: () => {
        this.#remove(pending);
        return pending.peers.size;
      },
    };
  }

  /** A peer has told what it holds of a key. */
  held(event: RumorHeldEvent): void {
    for (const pending of this.#byKey.get(event.key) ?? []) {
      const { node, time } = pending.version;
      if (event.versions.some((version) => version.node === node && version.time >= time)) {
        this.#count(pending, event.peer);
      }
    }
  }

  /** A peer holds or covers everything this node did when its clock read `through`, as an exchange has shown. */
  confirmed(peer: NodeId, through: HlcTime): void {
    for (const pending of this.#waiting) {
      if (pending.version.time <= through) this.#count(pending, peer);
    }
  }

  /** The writes that have waited for longest without a word from the peer, at most so many. */
  unheardFrom(peer: NodeId, beganByMs: number, limit: number): AwaitedWrite[] {
    const found: AwaitedWrite[] = [];
    for (const pending of this.#waiting) {
      if (found.length >= limit || pending.sinceMs > beganByMs) break;
      if (!pending.peers.has(peer)) found.push(pending);
    }
    return found;
  }

  #count(pending: Pending, peer: NodeId): void {
    pending.peers.add(peer);
    if (pending.peers.size < pending.needed) return;
    this.#remove(pending);
    pending.done(pending.peers.size);
  }

  #remove(pending: Pending): void {
    if (!this.#waiting.delete(pending)) return;
    const others = this.#byKey.get(pending.key);
    others?.delete(pending);
    if (others?.size === 0) this.#byKey.delete(pending.key);
  }
}
