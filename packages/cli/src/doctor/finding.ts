/** What one check found, with the step to take where something is to be done. */
export interface Finding {
  readonly check: string;
  /** `bad` keeps a node from working; `warn` will hurt sooner or later. */
  readonly status: "ok" | "warn" | "bad";
  readonly detail: string;
  readonly next?: string;
}
