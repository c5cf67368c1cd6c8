import type { NodeId, Peer } from "@hearsay/core";

export type Majority = Readonly<Record<"counted" | "needed", number>>;

/** What a node that joins was told by the others: who of them has recorded it, and whether that counts. */
export class Recorders {
  readonly #recordedBy: Set<NodeId> = new Set();
  /** How often each was asked in vain. */
  readonly #askedInVain: Map<NodeId, number> = new Map();
  /** Those that have said that they are newcomers, until they say otherwise, and those of them that have recorded this node. */
  readonly #newcomers: Set<NodeId> = new Set();
  readonly #recordedByNewcomers: Set<NodeId> = new Set();

  /**
   * @param isNewcomer undefined when it did not answer
   * @returns whether the answer brings a majority nearer
   */
  heard(id: NodeId, isNewcomer: boolean | undefined, isRecorded: boolean): boolean {
    const wasNewcomer = this.#newcomers.has(id);
    if (isNewcomer === true) this.#newcomers.add(id);
    else if (isNewcomer === false) this.#newcomers.delete(id);
    const isOne = this.#newcomers.has(id);
    if (isRecorded) (isOne ? this.#recordedByNewcomers : this.#recordedBy).add(id);
    // A newcomer may be a member when it is asked again.
    if (isOne || !isRecorded) this.#askedInVain.set(id, (this.#askedInVain.get(id) ?? 0) + 1);
    return isRecorded || (isOne && !wasNewcomer);
  }

  /** Those asked least come first, and newcomers, by which nothing is decided mostly, last. */
  openOf(others: readonly Peer[]): Peer[] {
    const rank = ({ id }: Peer): number => (this.#newcomers.has(id) ? 1 : 0);
    const vain = ({ id }: Peer): number => this.#askedInVain.get(id) ?? 0;
    return others
      .filter(({ id }) => !this.#recordedBy.has(id))
      .sort((a, b) => rank(a) - rank(b) || vain(a) - vain(b));
  }

  /**
   * Newcomers are left out, but where this node begins a cluster with them. At least one is needed; and no member counts before one has
   * told of all.
   * @param founders those it was told of that begin a cluster with it; undefined when it begins none
   */
  majorityOf(others: readonly Peer[], founders: readonly Peer[] | undefined, isTold: boolean): Majority {
    const members = others.filter(({ id }) => !this.#newcomers.has(id));
    if (founders === undefined || members.some(({ id }) => this.#recordedBy.has(id)))
      return majorityOf(members, ({ id }) => isTold && this.#recordedBy.has(id));
    const recorded = others.filter(({ id }) => this.#recordedByNewcomers.has(id));
    // Of those it was told of, or who came in their place. By the word of others it could begin one beside that of these.
    return majorityOf(founders, ({ id, address }) =>
      recorded.some((other) => other.id === id || other.address === address),
    );
  }
}

function majorityOf(peers: readonly Peer[], isCounted: (peer: Peer) => boolean): Majority {
  return { counted: peers.filter(isCounted).length, needed: Math.floor(peers.length / 2) + 1 };
}
