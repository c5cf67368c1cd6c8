/** What `GET /status` answers with. Times are ISO 8601. Nothing of it holds a value. */
import type { CutOff } from "../values/cut-off.ts";
import type { ViewState } from "../values/prefix-view.ts";
import type { ScheduleState } from "./schedule.ts";

export interface AgentStatus {
  readonly ready: boolean;
  /** Some values are not a node's present ones. */
  readonly stale: boolean;
  /** The node that is followed is: what is newer elsewhere does not come. Undefined when it is not, or has not said. */
  readonly cutOff: CutOff | undefined;
  readonly settings: {
    readonly path: string;
    readonly readAt: string;
    readonly error: StatusError | undefined;
  };
  readonly prefixes: readonly PrefixStatus[];
  readonly files: readonly FileStatus[];
  readonly copies: { readonly savedAt: string | undefined; readonly error: StatusError | undefined };
}

export interface PrefixStatus {
  readonly prefix: string;
  readonly state: ViewState;
  readonly keys: number;
  readonly error: { readonly code: string; readonly message: string } | undefined;
}

export interface FileStatus {
  readonly path: string;
  readonly state: ScheduleState;
  /** Runs that failed since the last that did not. */
  readonly failures: number;
  readonly error: StatusError | undefined;
  readonly missing: readonly string[];
  /** The file was replaced, and its reload has not succeeded since. */
  readonly reloadOwed: boolean;
  /** Of the content that the agent last made, or found in place. */
  readonly content: { readonly sha256: string; readonly bytes: number; readonly at: string } | undefined;
  /** That content was made from last good copies. */
  readonly stale: boolean;
}

export interface StatusError {
  readonly code: string;
  readonly message: string;
  readonly next: string | undefined;
  readonly since: string;
}
