/** What a check finds: see docs/chaos.md for the exact meaning of each code. */
export type ViolationCode =
  | "lost"
  | "resurrected"
  | "invented"
  | "went_back"
  | "stale_after"
  | "receipt_false"
  | "ack_false"
  | "watermark_false"
  | "complete_false"
  | "expired"
  | "unlisted"
  | "diverged"
  | "not_converged"
  | "damaged"
  | "internal_error"
  | "crashed"
  | "alarm"
  | "not_back"
  | "unfinished";

export interface Violation {
  readonly code: ViolationCode;
  readonly node: string;
  readonly key?: string | undefined;
  readonly version?: string | undefined;
  /** When it was seen. */
  readonly atMs: number;
  /** When the write was acknowledged that is lost or undone. */
  readonly acknowledgedMs?: number;
  /** A sentence with the facts. */
  readonly detail: string;
}
