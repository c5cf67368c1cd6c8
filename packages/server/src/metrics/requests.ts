/** Counts requests by operation and status, and how long they took, at the cost of two additions each. */

export const OPERATIONS = [
  "get",
  "put",
  "delete",
  "list",
  "batch",
  "siblings",
  "history",
  "conflicts",
  "tombstones",
  "ghosts",
  "watch",
  "consul",
  "cluster",
  "peer",
  "snapshot",
  "restore",
  "verify",
  "health",
  "metrics",
  "describe",
  "unrouted",
] as const;
export type Operation = (typeof OPERATIONS)[number];

/** Upper bounds in milliseconds; the last bucket has none. */
export const DURATION_BUCKETS_MS = [0.1, 0.25, 0.5, 1, 2.5, 5, 10, 25, 50, 100, 250, 1000, 5000] as const;

const STATUS_MAX = 600;

export interface OperationCounts {
  readonly byStatus: Float64Array;
  /** Not cumulative; one more than there are bounds. */
  readonly buckets: Float64Array;
  readonly totalMs: number;
}

interface Tally {
  readonly byStatus: Float64Array;
  readonly buckets: Float64Array;
  totalMs: number;
}

export class RequestMetrics {
  readonly #tallies: ReadonlyMap<Operation, Tally> = new Map(
    OPERATIONS.map((operation) => [
      operation,
      {
        byStatus: new Float64Array(STATUS_MAX),
        buckets: new Float64Array(DURATION_BUCKETS_MS.length + 1),
        totalMs: 0,
      },
    ]),
  );

  count(operation: Operation, status: number, durationMs: number): void {
    const tally = this.#tallies.get(operation);
    if (tally === undefined) return;
    tally.byStatus[status] = (tally.byStatus[status] ?? 0) + 1;
    let bucket = 0;
    while (bucket < DURATION_BUCKETS_MS.length && durationMs > (DURATION_BUCKETS_MS[bucket] ?? 0)) bucket++;
    tally.buckets[bucket] = (tally.buckets[bucket] ?? 0) + 1;
    tally.totalMs += durationMs;
  }

  counts(): ReadonlyMap<Operation, OperationCounts> {
    return this.#tallies;
  }
}
