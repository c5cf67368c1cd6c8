/**
 * Every problem the API answers with, as RFC 9457 `application/problem+json`.
 *
 * `next` is the step to take. `outcome` says what became of a write that got this answer: `none`, it is
 * definitely not done; `unknown`, it may be done or still come to be done. A problem of calls that never write
 * has no outcome; where it depends on the moment, the answer itself carries it.
 */
import { CLUSTER_PROBLEMS } from "./cluster-problems.ts";

export type Outcome = "none" | "unknown";

export interface ProblemKind {
  readonly status: number;
  readonly title: string;
  readonly next: string;
  readonly outcome?: Outcome;
}

export const PROBLEMS = {
  ...CLUSTER_PROBLEMS,
  bad_request: {
    status: 400,
    title: "The request is not valid HTTP",
    next: "Send a well-formed HTTP/1.1 request.",
    outcome: "none",
  },
  invalid_key: {
    status: 400,
    title: "The key is not valid",
    next: "Use a percent-encoded key of 1 to 1024 bytes of UTF-8; keys that URL clients rewrite go in ?key=.",
    outcome: "none",
  },
  invalid_query: {
    status: 400,
    title: "A query parameter is not valid",
    next: "Correct the parameter that the detail names; GET /openapi.json lists them all.",
    outcome: "none",
  },
  invalid_header: {
    status: 400,
    title: "A request header is not valid",
    next: "Correct the header that the detail names.",
    outcome: "none",
  },
  invalid_context: {
    status: 400,
    title: "The context is none that a node has given out",
    next: "Send the Hearsay-Context of an earlier answer unchanged, or none.",
    outcome: "none",
  },
  invalid_body: {
    status: 400,
    title: "The body is not valid",
    next: "Correct what the detail names; GET /openapi.json shows the form.",
    outcome: "none",
  },
  invalid_cursor: {
    status: 400,
    title: "The cursor is none that a node has given out",
    next: "Send the cursor of an earlier event unchanged, or none: then everything under the prefix comes first.",
  },
  cursor_of_other_cluster: {
    status: 400,
    title: "The cursor was given out by another cluster",
    next: "Check the endpoints; or watch without a cursor: then everything under the prefix comes first.",
  },
  ack_exceeds_members: {
    status: 400,
    title: "More acknowledgements are asked for than the cluster has members",
    next: "Ask for at most as many as the answer's members, or for ack=quorum or ack=all.",
    outcome: "none",
  },
  snapshot_corrupt: {
    status: 400,
    title: "The snapshot is damaged",
    next: "Nothing was applied. Use another copy; hearsay snapshot inspect checks one.",
    outcome: "none",
  },
  snapshot_truncated: {
    status: 400,
    title: "The snapshot ends too early",
    next: "Nothing was applied. Send the whole file; hearsay snapshot inspect checks one.",
    outcome: "none",
  },
  cross_origin: {
    status: 403,
    title: "A page of another origin may not change anything here",
    next: "Send the request from a program, or from a page that this very address serves.",
    outcome: "none",
  },
  host_refused: {
    status: 421,
    title: "The node does not go by this name",
    next: "Use localhost or the node's address. Behind a proxy that hands on the name it is called by, list that in security.hosts.",
    outcome: "none",
  },
  not_found: {
    status: 404,
    title: "The key has no value",
    next: "Nothing to do if that was expected; another node may know of a newer write.",
  },
  ghost_not_found: {
    status: 404,
    title: "No such version is kept aside on this node",
    next: "hearsay ghosts lists what is. Each node keeps its own: name another one with --endpoint.",
  },
  route_not_found: {
    status: 404,
    title: "There is no such path",
    next: "GET /openapi.json lists the paths; keys are under /kv/.",
    outcome: "none",
  },
  method_not_allowed: {
    status: 405,
    title: "The path does not take this method",
    next: "Use one of the methods in the Allow header.",
    outcome: "none",
  },
  request_timeout: {
    status: 408,
    title: "The request did not arrive in time",
    next: "Send it again, faster; limits.headersTimeoutMs and limits.requestTimeoutMs say how long a node waits.",
    outcome: "none",
  },
  clock_drift: {
    status: 409,
    title: "A time is too far ahead of this node's clock",
    next: "Correct the clock of the node that is wrong; hearsay doctor compares them.",
    outcome: "none",
  },
  store_not_empty: {
    status: 409,
    title: "An exact restore needs an empty store",
    next: "Restore into a new data directory, or use mode=missing or mode=as-new.",
    outcome: "none",
  },
  not_alone: {
    status: 409,
    title: "An exact restore needs a node that is its whole cluster",
    next: "Restore into the first node before others join it, or use mode=missing or mode=as-new.",
    outcome: "none",
  },
  restore_running: {
    status: 409,
    title: "A restore is running already",
    next: "Wait for it to end, then send the snapshot again.",
    outcome: "none",
  },
  precondition_failed: {
    status: 412,
    title: "A condition of the request does not hold on this node",
    next: "Read the key again and decide anew.",
    outcome: "none",
  },
  body_too_large: {
    status: 413,
    title: "The body is larger than this node accepts",
    next: "Send less, or raise the limit that the detail names on every node.",
    outcome: "none",
  },
  uri_too_long: {
    status: 414,
    title: "The request target is too long",
    next: "Keep path and query within 8192 bytes; a key has at most 1024.",
    outcome: "none",
  },
  unsupported_media_type: {
    status: 415,
    title: "The body's type or encoding is not one this call takes",
    next: "Use a type the detail names, without Content-Encoding unless the detail says otherwise.",
    outcome: "none",
  },
  headers_too_large: {
    status: 431,
    title: "The request headers are too large",
    next: "Send fewer or shorter headers; limits.maxHeaderBytes is the bound.",
    outcome: "none",
  },
  internal: {
    status: 500,
    title: "The node failed in a way it should not",
    next: "Read the node's log around this time and report it.",
    outcome: "unknown",
  },
  record_damaged: {
    status: 500,
    title: "The stored record is damaged and is not served",
    next: "Write the key again, restore it from a snapshot, or let a peer repair it; hearsay verify lists the damage.",
    outcome: "none",
  },
  write_failed: {
    status: 500,
    title: "The write or its sync failed on the disk",
    next: "Check the disk and the node's log, then read the key before writing again.",
    outcome: "unknown",
  },
  not_implemented: {
    status: 501,
    title: "This node does not offer that",
    next: "The detail says what to use instead.",
    outcome: "none",
  },
  clock_skew: {
    status: 503,
    title: "This node's clock is ahead of most members, which therefore refuse its writes",
    next: "Correct the clock of this node's machine; write to another node meanwhile.",
    outcome: "none",
  },
  not_ready: {
    status: 503,
    title: "The node is starting, stopping or recovering",
    next: "Wait for Retry-After, or use another node; GET /readyz?verbose says why.",
    outcome: "none",
  },
  not_yet: {
    status: 503,
    title: "This node does not hold that version yet",
    next: "Wait for Retry-After and ask again, or ask the node that took the write.",
  },
  overloaded: {
    status: 503,
    title: "The node has more to do than it takes on",
    next: "Wait for Retry-After, then send the request again.",
    outcome: "none",
  },
  too_many_watchers: {
    status: 503,
    title: "The node has as many watchers as it takes on",
    next: "Watch on another node, or raise watch.maxWatchers.",
  },
  snapshot_overrun: {
    status: 503,
    title: "Too much changed while the snapshot was taken",
    next: "Wait for Retry-After and ask again when fewer writes arrive, or raise store.snapshotMaxChanged.",
  },
  store_unavailable: {
    status: 503,
    title: "The store cannot read its database at the moment",
    next: "Wait for Retry-After, then send the request again; GET /readyz?verbose says more.",
    outcome: "none",
  },
  ack_timeout: {
    status: 504,
    title: "Too few replicas confirmed in time",
    next: "Read the key to see whether the write took place, or write the same again.",
    outcome: "unknown",
  },
  disk_full: {
    status: 507,
    title: "The disk is full",
    next: "Make room; the node takes writes again by itself. Reads go on.",
    outcome: "unknown",
  },
} as const satisfies Readonly<Record<string, ProblemKind>>;

export type ProblemCode = keyof typeof PROBLEMS;

const BY_CODE: ReadonlyMap<string, ProblemKind> = new Map(Object.entries(PROBLEMS));

/** What the table says about a code; undefined for one it does not know. */
export function problemKind(code: string): ProblemKind | undefined {
  return BY_CODE.get(code);
}
