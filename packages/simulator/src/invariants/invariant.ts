/** What must hold, whatever happens: the list of docs/protocol.md, *Invariants*. */

export const INVARIANTS = {
  durability: "every acknowledged write is present on each replica in the end, or covered by a later one",
  invention: "every value read was written to that key, byte for byte; a failed write never appears",
  convergence: "once faults stop and writes cease, live replicas hold identical records and equal roots",
  root: "roots are equal exactly when what is held is",
  merge: "merging is commutative, associative and idempotent, and its winner does not depend on the order",
  clock: "a node's versions are strictly increasing, across restarts too, and none is issued twice",
  reading: "a node shows of a key what it has committed, and as a value only what has not expired",
  regression: "a replica's record of a key never regresses, across restarts too",
  siblings: "siblings are an antichain, and a write removes exactly those its context covers",
  resurrection: "what a deletion or a later write covers is not seen again",
  vector: "who claims what a node held at a time holds or covers that node's writes up to then",
  watermark:
    "every write at or below the watermark that is not covered is held by every counted member, and none falls",
  checksum: "a record that fails its checksum is never served, gossiped or hashed",
  ghosts: "what a node drops or refuses as a ghost it keeps aside",
  healing: "what is damaged is healed or forgotten in bounded time, however often its node is restarted",
  alarm: "who finds that data was lost without a trace says so, and nobody else does",
  membership: "a healthy, reachable member is not dead for good",
  founding:
    "nodes that are told of one another begin one cluster, and are members soon after faults have stopped",
  bounds: "every queue, list and cache stays below its bound",
  spreading: "what is written is told to others at once, and not only found by exchanges",
  quiescence: "once converged and idle, no records are exchanged",
  difference: "keys that differ between two replicas are counted when a node is asked, and no others named",
  acknowledgement: "as many replicas hold a write as its acknowledgement says",
  failure: "a node fails by nothing but its disk, its peers and its operator",
} as const;

export type Invariant = keyof typeof INVARIANTS;

export interface Violation {
  readonly invariant: Invariant;
  readonly detail: string;
}

/** How often each was looked at. */
export type CheckCounts = Partial<Record<Invariant, number>>;
