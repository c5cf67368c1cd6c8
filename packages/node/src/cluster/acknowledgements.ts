import type { NodeId, RumorHeldEvent, Version } from "@hearsay/core";

/** A writer that waits until enough peers durably hold its version. */
interface Pending {
  readonly key: string;
  readonly version: Version;
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
 * Counts which peers hold a write, for `ack=n`. A peer whose record of the key has the write, or a later one of the
 * same node, holds or covers the write: the node's later record was built upon it. A later version of another node says
 * nothing, because the two may be concurrent.
 *
 * Bound: as many as `maxPending` writers wait; one more is refused.
 */
export class Acknowledgements {
  readonly #maxPending: number;
  readonly #byKey: Map<string, Set<Pending>> = new Map();
  #size = 0;

  constructor(maxPending: number) {
    this.#maxPending = maxPending;
  }

  get size(): number {
    return this.#size;
  }

  get full(): boolean {
    return this.#size >= this.#maxPending;
  }

  /**
   * Calls back once `needed` peers hold the version.
   */
  wait(key: string, version: Version, needed: number, done: (peers: number) => void): AckWait {
    const pending: Pending = { key, version, needed, peers: new Set(), done };
    const others = this.#byKey.get(key);
    if (others === undefined) this.#byKey.set(key, new Set([pending]));
    else others.add(pending);
    this.#size += 1;
    return {
      peers: pending.peers,
      end: () => {
        this.#remove(pending);
        return pending.peers.size;
      },
    };
  }

  held(event: RumorHeldEvent): void {
    for (const pending of this.#byKey.get(event.key) ?? []) {
      const { node, time } = pending.version;
      if (!event.versions.some((version) => version.node === node && version.time >= time)) continue;
      pending.peers.add(event.peer);
      if (pending.peers.size < pending.needed) continue;
      this.#remove(pending);
      pending.done(pending.peers.size);
    }
  }

  #remove(pending: Pending): void {
    const others = this.#byKey.get(pending.key);
    if (others?.delete(pending) !== true) return;
    this.#size -= 1;
    if (others.size === 0) this.#byKey.delete(pending.key);
  }
}
