/**
 * What an observer of a cluster has seen, one event a line. Times are milliseconds since the beginning of the run, of the
 * observer's clock, which never goes back. Versions are texts that sort as the versions do; nodes are named by the name
 * of their place, and by the id they answered with.
 */

export interface BeginEvent {
  readonly type: "begin";
  readonly run: string;
  readonly seed: number;
  /** Wall clock, ISO 8601. */
  readonly at: string;
  readonly nodes: readonly string[];
  readonly durationMs: number;
  /** The command that repeats the run. */
  readonly command: string;
  /** By so much may the clocks of two nodes have differed. */
  readonly clockErrorMs: number;
  /** Kinds of fault that were asked for by name. */
  readonly asked?: readonly string[];
}

/** `ok`: answered as asked. `none`: certainly nothing was written, or nothing was read. `unknown`: a write may be in effect. */
export type Outcome = "ok" | "none" | "unknown";

export interface SeenSibling {
  readonly version: string;
  /** Undefined for a tombstone. */
  readonly value?: string | undefined;
  readonly contentType?: string | undefined;
  readonly expired?: boolean;
}

interface Operation {
  readonly type: "op";
  /** Its number in the run, from 0. */
  readonly index: number;
  readonly session: number;
  readonly node: string;
  /** The id that answered; undefined where the answer had none. */
  readonly id?: string | undefined;
  readonly startMs: number;
  readonly endMs: number;
  readonly key: string;
  readonly outcome: Outcome;
  /** Of a failure. */
  readonly code?: string | undefined;
  /** The HTTP status that came with it. */
  readonly status?: number | undefined;
  /** What is wrong with an answer that is none of a node's. */
  readonly reason?: string | undefined;
}

export interface WriteEvent extends Operation {
  readonly do: "put" | "delete";
  readonly value?: string | undefined;
  readonly contentType?: string | undefined;
  readonly ttlMs?: number | undefined;
  readonly ack?: number | "quorum" | "all" | undefined;
  /** Undefined: none was sent. `empty`: the one that has seen nothing. A number: that of the operation it came from. */
  readonly context?: number | "empty" | undefined;
  readonly version?: string | undefined;
  /** Replicas that were known to hold it when it was answered. */
  readonly acks?: number | undefined;
}

export interface ReadEvent extends Operation {
  readonly do: "get";
  readonly after?: string | undefined;
  /** Winner first; only the winner where no more was asked for. Empty: there is no record. */
  readonly siblings?: readonly SeenSibling[] | undefined;
  /** The node said that it holds every write made in that millisecond of its time or before; null: it named what is no time. */
  readonly completeThroughMs?: number | null | undefined;
}

export interface ReceiptEvent extends Operation {
  readonly do: "receipt";
  readonly version: string;
  /** Ids of the nodes that were said to hold it. */
  readonly holders?: readonly string[] | undefined;
  /** Ids of those that were said to lack it. */
  readonly lacking?: readonly string[] | undefined;
  readonly everywhere?: boolean | undefined;
  readonly complete?: boolean | undefined;
}

export type OperationEvent = WriteEvent | ReadEvent | ReceiptEvent;

/** What one node said of its cluster. */
export interface StatusEvent {
  readonly type: "status";
  /** When it was asked: what it said was so at some time since then. Undefined in histories of before. */
  readonly askedMs?: number | undefined;
  readonly atMs: number;
  readonly node: string;
  readonly id: string;
  readonly watermarkMs: number | null;
  readonly watermarkAgeMs: number | null;
  readonly writable: boolean;
  readonly members: readonly { readonly id: string; readonly name: string; readonly state: string }[];
}

export interface VerdictEvent {
  readonly type: "verdict";
  readonly atMs: number;
  readonly node: string;
  readonly verdict: "converged" | "converging" | "partitioned" | "unreachable";
  readonly keys: number | null;
}

export interface FaultEvent {
  readonly type: "fault";
  readonly atMs: number;
  readonly endMs: number;
  readonly kind: string;
  readonly nodes: readonly string[];
  readonly detail: string;
  /** Why it was left out. */
  readonly skipped?: string | undefined;
  /** A pause after which another node had called the paused one dead. */
  readonly pastSuspicion?: boolean | undefined;
  /** SIGKILLs. */
  readonly kills?: number | undefined;
  /** The id whose data it may have destroyed. */
  readonly lostId?: string | undefined;
  /** Everything this id acknowledged up to this version was known to be on all members before. */
  readonly keptThrough?: string | undefined;
}

export interface ProcessEvent {
  readonly type: "process";
  readonly atMs: number;
  readonly node: string;
  readonly event: "started" | "ended" | "not_back";
  readonly id?: string | undefined;
  /** How it ended. */
  readonly ending?: string | undefined;
  /** Somebody had asked for just that. */
  readonly expected: boolean;
}

/** An entry of level error in a node's log, or a line on its standard error. */
export interface LogEvent {
  readonly type: "log";
  readonly atMs: number;
  readonly node: string;
  readonly text: string;
}

/** A key as a node held it at the end; without siblings there was no record. */
export interface FinalEvent {
  readonly type: "final";
  readonly startMs: number;
  readonly endMs: number;
  readonly node: string;
  readonly id: string;
  readonly key: string;
  readonly siblings: readonly SeenSibling[];
  /** Whether the node had named the key just before, when it was asked for all keys; undefined where it was not asked. */
  readonly listed?: boolean | undefined;
  /** The code with which it refused to show the key. */
  readonly unreadable?: string | undefined;
}

export interface VerifyEvent {
  readonly type: "verify";
  readonly node: string;
  readonly sound: boolean;
  readonly detail: string;
}

/** A node at the end, when the time to settle was over or it had settled. */
export interface SettledEvent {
  readonly type: "settled";
  readonly node: string;
  readonly id: string;
  /** From the moment when all processes were up; null when the node did not settle in time. */
  readonly afterMs: number | null;
  readonly detail: string;
}

export interface EndEvent {
  readonly type: "end";
  readonly atMs: number;
}

/** Somebody has ended the run before its end. What was under way then may still follow. */
export interface InterruptedEvent {
  readonly type: "interrupted";
  readonly atMs: number;
}

export type HistoryEvent =
  | BeginEvent
  | OperationEvent
  | StatusEvent
  | VerdictEvent
  | FaultEvent
  | ProcessEvent
  | LogEvent
  | FinalEvent
  | VerifyEvent
  | SettledEvent
  | EndEvent
  | InterruptedEvent;
