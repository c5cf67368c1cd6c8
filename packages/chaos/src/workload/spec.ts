/** What sessions do to a cluster; the form of a workload file. */

export interface KeyRange {
  readonly prefix: string;
  readonly count: number;
}

/**
 * Of a write. `none`: it replaces all its node holds. `empty`: it replaces nothing. `fresh`: all siblings are read before, and
 * replaced. `stale`: what the session has read or written of the key some time ago; like `fresh` where there is none.
 */
export type ContextWish = "none" | "empty" | "fresh" | "stale";

export interface OperationSpec {
  readonly do: "put" | "get" | "delete" | "receipt";
  /** How often it is drawn, against the others. */
  readonly weight: number;
  /** `once`: a key that is written this one time. `own`: one of those of this session. `last`: of its last write. */
  readonly keys: KeyRange | "once" | "own" | "last";
  readonly context: ContextWish;
  readonly ack?: number | "quorum" | "all" | undefined;
  readonly ttlMs?: number | undefined;
  /** Of values, least and most. */
  readonly bytes: readonly [min: number, max: number];
}

export interface WorkloadSpec {
  readonly sessions: number;
  /** Operations of all sessions together. */
  readonly ratePerSecond: number;
  /** Operations after which a session goes to another node, on average. */
  readonly moveEvery: number;
  readonly operations: readonly OperationSpec[];
}

const BYTES = [16, 2_048] as const;
const PLAIN = { context: "none", bytes: BYTES } as const;
const ANY: KeyRange = { prefix: "any/", count: 40 };
const BRIEF: KeyRange = { prefix: "brief/", count: 20 };
const SEEN: KeyRange = { prefix: "seen/", count: 40 };

/** docs/chaos.md has it as a file. */
export const DEFAULT_WORKLOAD: WorkloadSpec = {
  sessions: 6,
  ratePerSecond: 30,
  moveEvery: 6,
  operations: [
    { ...PLAIN, do: "put", weight: 5, keys: "once" },
    { ...PLAIN, do: "put", weight: 3, keys: "once", ack: "quorum" },
    { ...PLAIN, do: "put", weight: 3, keys: { prefix: "sum/", count: 40 }, context: "empty" },
    { ...PLAIN, do: "put", weight: 5, keys: ANY },
    { ...PLAIN, do: "put", weight: 4, keys: SEEN, context: "fresh" },
    { ...PLAIN, do: "put", weight: 2, keys: SEEN, context: "stale" },
    { ...PLAIN, do: "delete", weight: 3, keys: SEEN, context: "fresh" },
    { ...PLAIN, do: "delete", weight: 3, keys: ANY },
    { ...PLAIN, do: "delete", weight: 3, keys: "own" },
    { ...PLAIN, do: "put", weight: 2, keys: BRIEF, ttlMs: 3_000 },
    { ...PLAIN, do: "get", weight: 6, keys: "last" },
    { ...PLAIN, do: "get", weight: 8, keys: ANY },
    { ...PLAIN, do: "get", weight: 6, keys: SEEN },
    { ...PLAIN, do: "get", weight: 3, keys: BRIEF },
    { ...PLAIN, do: "receipt", weight: 2, keys: "last" },
  ],
};
