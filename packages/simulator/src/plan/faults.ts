/** The kinds of fault, as data. What each does is in `run/`. */

export const FAULTS = {
  loss: "messages and answers are lost",
  duplication: "requests arrive twice, the second perhaps much later",
  reordering: "later messages overtake earlier ones",
  delay: "a link is slow",
  asymmetric: "a link carries messages one way only",
  halves: "the cluster falls into two halves",
  majority_ring: "each node sees a majority, and no two see the same one",
  bridge: "two halves see one another through one node only",
  isolate: "one node sees nobody",
  swizzle_clog: "links stop one after the other, and come back in another order",
  crash: "a process is killed and comes back",
  pause: "a process stands still for longer than it takes to be suspected",
  restart: "a node stops in order and comes back",
  disk_lost: "a directory is gone, and the node comes back as a new one",
  old_copy: "a directory is replaced by an old copy of itself",
  unsynced_lost: "the power fails, and what was not synced is lost",
  torn_tail: "the power fails while a batch is being written",
  flipped_bits: "bits on a disk flip",
  disk_full: "a disk is full or fails for a while, and may keep what it refuses",
  slow_disk: "a disk takes long for each batch",
  clock_jump: "a wall clock jumps, and is put right much later",
  clock_drift: "a wall clock gains or loses",
  clock_strobe: "a wall clock jumps to and fro",
  join: "a new node joins",
  leave: "a node leaves for good",
  forget: "an operator retires a dead node",
  forgotten_returns: "a node that was forgotten comes back",
  overload: "more is written in one moment than may wait",
  slow_reader: "a node takes and gives its answers slowly",
  silent_loss: "a record goes from a disk with all that would show it",
  entry_lost: "a record goes from a disk, or what the index says of it",
  salvage_leftover:
    "a salvage leaves nothing of a key but its entry in quarantine, or brings back an old one",
  retention_changed: "a node stops and comes back with another retention of deletions",
  replaced: "a machine is gone, and another one takes over its node's name",
  pair_lost: "two nodes that see only each other lose their directories",
  reset_alone: "all directories but one are gone, and that one goes on alone",
  begun_beside: "a node that lost its directory begins a cluster of its own beside the others",
  alone_beside: "a node is reset to go on alone, while the others still run",
  legacy: "a directory is lost whose last write one other node alone has",
  founded: "the nodes are told of one another, and begin a cluster together",
  founder_stopped:
    "a node is killed or stopped after it has found others to begin a cluster with, and before it is a member",
  restored: "all directories are gone, and a snapshot is put back as it was",
} as const;

export type FaultKind = keyof typeof FAULTS;

export const FAULT_KINDS: readonly FaultKind[] = Object.keys(FAULTS).filter(
  (kind): kind is FaultKind => kind in FAULTS,
);

/** Drawn from a stream of their own, and more seldom (`rare-draws.ts`). */
const RARE: ReadonlySet<FaultKind> = new Set<FaultKind>([
  "silent_loss",
  "entry_lost",
  "salvage_leftover",
  "retention_changed",
  "replaced",
  "pair_lost",
  "reset_alone",
  "begun_beside",
  "alone_beside",
  "legacy",
  "founded",
  "founder_stopped",
  "restored",
]);

export const COMMON_FAULT_KINDS: readonly FaultKind[] = FAULT_KINDS.filter((kind) => !RARE.has(kind));

export type FaultCounts = Partial<Record<FaultKind, number>>;
