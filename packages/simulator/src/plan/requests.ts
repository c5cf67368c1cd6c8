/** What is asked of nodes beside reads and writes of one key, as data. What each does, and what is checked, is in `run/`. */

export const REQUESTS = {
  batch: "many keys are written in one turn",
  receipt: "who holds a write",
  stopping: "whether a node may be stopped without a loss",
  verify: "whether a store agrees with itself, record by record",
  snapshot: "a snapshot of a store, taken while it goes on",
  difference: "which keys differ from those of a peer",
} as const;

export type RequestKind = keyof typeof REQUESTS;

export const REQUEST_KINDS: readonly RequestKind[] = Object.keys(REQUESTS).filter(
  (kind): kind is RequestKind => kind in REQUESTS,
);

/** Those that came to an answer which was checked. */
export type RequestCounts = Partial<Record<RequestKind, number>>;
