import { type HlcTime, type NodeId, type RumorHeldEvent, TransientMap, type Version } from "@hearsay/core";

/** A write of this node whose writer waits until enough peers durably hold it. */
export interface AwaitedWrite {
  readonly key: string;
  readonly version: Version;
  /** When the wait began. */
  readonly sinceMs: number;
}

interface Pending extends AwaitedWrite {
  /** Falls when there are not so many any more. */
  needed: number;
  /** A handful at most, each once: an array is cheaper than a set. */
  readonly peers: NodeId[];
  /** Let go when the wait is over: the tables below may hold what is deleted until the next full garbage collection. */
  done: (peers: number) => void;
}

export interface AckWait {
  /** Those that hold it by now. */
  readonly peers: readonly NodeId[];
  /** Ends the wait, and tells how many held it then. */
  end(): number;
}

/**
 * Counts which peers hold a write of this node, for `ack=n`. A peer whose record of the key has the write, or a later one
 * of the same node, holds or covers the write: the node's later record was built upon it. A later version of another node
 * says nothing, because the two may be concurrent. Nor does one that is about to leave (docs/protocol.md, *Leaving*): what it is
 * given after it has handed over goes with it.
 *
 * Bound: as many as `maxPending` writers wait; one more is refused.
 */
export class Acknowledgements {
  readonly #maxPending: number;
  readonly #byKey: TransientMap<string, readonly Pending[]> = new TransientMap();
  /** In the order in which they began to wait. */
  readonly #waiting: TransientMap<Pending, Pending> = new TransientMap();

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
  wait({ key, version, sinceMs }: AwaitedWrite, needed: number, done: (peers: number) => void): AckWait {
    const pending: Pending = { key, version, sinceMs, needed, peers: [], done };
    const others = this.#byKey.get(key);
    this.#byKey.set(key, others === undefined ? [pending] : [...others, pending]);
    this.#waiting.set(pending, pending);
    return {
      peers: pending.peers,
      end: () => {
        this.#remove(pending);
        return pending.peers.length;
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
    for (const pending of this.#waiting.values()) {
      if (pending.version.time <= through) this.#count(pending, peer);
    }
  }

  /** A peer is a member no more, and does not count; nobody waits for more peers than are left. */
  gone(peer: NodeId, left: number): void {
    for (const pending of this.#waiting.values()) {
      const at = pending.peers.indexOf(peer);
      if (at >= 0) pending.peers.splice(at, 1);
      pending.needed = Math.min(pending.needed, left);
      this.#endIfDone(pending);
    }
  }

  /** The writes that have waited for longest without a word from the peer, at most so many. */
  unheardFrom(peer: NodeId, beganByMs: number, limit: number): AwaitedWrite[] {
    const found: AwaitedWrite[] = [];
    for (const pending of this.#waiting.values()) {
      if (found.length >= limit || pending.sinceMs > beganByMs) break;
      if (!pending.peers.includes(peer)) found.push(pending);
    }
    return found;
  }

  #count(pending: Pending, peer: NodeId): void {
    if (!pending.peers.includes(peer)) pending.peers.push(peer);
    this.#endIfDone(pending);
  }

  #endIfDone(pending: Pending): void {
    if (pending.peers.length < pending.needed) return;
    const { done } = pending;
    this.#remove(pending);
    done(pending.peers.length);
  }

  #remove(pending: Pending): void {
    if (!this.#waiting.delete(pending)) return;
    pending.done = NOBODY;
    const others = this.#byKey.get(pending.key)?.filter((other) => other !== pending) ?? [];
    if (others.length === 0) this.#byKey.delete(pending.key);
    else this.#byKey.set(pending.key, others);
  }
}

const NOBODY = (): void => undefined;
