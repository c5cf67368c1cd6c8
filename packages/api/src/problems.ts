/**
 * Every problem the API answers with, as RFC 9457 `application/problem+json`.
 *
 * `next` is the step to take. `outcome` says what became of a write that got this answer: `none`, it is
 * definitely not done; `unknown`, it may be done or still come to be done. A problem of calls that never write
 * has no outcome; where it depends on the moment, the answer itself carries it.
 */
export type Outcome = "none" | "unknown";

export interface ProblemKind {
  readonly status: number;
  readonly title: string;
  readonly next: string;
  readonly outcome?: Outcome;
}

export const PROBLEMS = {
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
  ack_exceeds_members: {
    status: 400,
    title: "More acknowledgements are asked for than the cluster has members",
    next: "Ask for at most as many as the answer's members, or for ack=quorum or ack=all.",
    outcome: "none",
  },
  bad_message: {
    status: 400,
    title: "A peer's message is not one this node understands",
    next: "Run the same build on all nodes, or one whose wire versions overlap.",
  },
  confirmation_needed: {
    status: 400,
    title: "This cannot be taken back and has to be confirmed",
    next: "Read what the answer says may be lost, then send it again with confirm set to true.",
  },
  auth_missing: {
    status: 401,
    title: "The message is not signed",
    next: "Give all nodes of the cluster the same security.clusterSecret.",
  },
  auth_wrong: {
    status: 401,
    title: "The message's signature is wrong",
    next: "Give all nodes of the cluster the same security.clusterSecret.",
  },
  auth_outside_window: {
    status: 401,
    title: "The message's time is too far from this node's clock",
    next: "Correct the clock of the node that is wrong; hearsay doctor compares them.",
  },
  replayed: {
    status: 401,
    title: "This very message has been seen before",
    next: "Nothing to do on this node; somebody repeats recorded messages.",
  },
  wrong_cluster: {
    status: 403,
    title: "The message is of another cluster",
    next: "Correct the sender's cluster name or its --join addresses.",
  },
  retired: {
    status: 403,
    title: "The node's id is retired: it left, was forgotten, or has a successor",
    next: "Bring it back as a new incarnation: hearsay reset on its data directory.",
    outcome: "none",
  },
  member_not_found: {
    status: 404,
    title: "There is no such member",
    next: "GET /cluster lists the members; a name that is unique, or an id.",
  },
  leave_impossible: {
    status: 409,
    title: "No member that stays could be given everything this node holds",
    next: "Nothing has changed. Let it reach another member, then leave again.",
  },
  member_alive: {
    status: 409,
    title: "The member is alive",
    next: "Let it leave by itself: hearsay leave on that node. Only members that are down can be forgotten.",
  },
  already_member: {
    status: 409,
    title: "The node is a member of a cluster with others already",
    next: "Let it leave first, and give it a new identity: hearsay leave, then hearsay reset on its data directory.",
  },
  records_too_old: {
    status: 409,
    title: "The node holds records so old that the cluster would take them for deleted ones",
    next: "Save a snapshot, join with an empty data directory, then restore the snapshot with mode=missing.",
  },
  unknown_member: {
    status: 409,
    title: "The sender is in no member table here",
    next: "Nothing to do: it joins or exchanges tables by itself.",
  },
  incompatible_version: {
    status: 409,
    title: "The message's wire version is not one this node speaks",
    next: "Run builds whose wire versions overlap.",
  },
  message_too_large: {
    status: 413,
    title: "The message is larger than this node accepts",
    next: "Give all nodes the same gossip.maxMessageBytes.",
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
  not_found: {
    status: 404,
    title: "The key has no value",
    next: "Nothing to do if that was expected; another node may know of a newer write.",
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
    title: "The context is ahead of this node's clock",
    next: "Correct the clock of the node that is wrong; hearsay doctor compares them.",
    outcome: "none",
  },
  store_not_empty: {
    status: 409,
    title: "An exact restore needs an empty store",
    next: "Restore into a new data directory, or use mode=missing or mode=as-new.",
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
  peer_unreachable: {
    status: 502,
    title: "The member does not answer",
    next: "Try again when it is back; GET /cluster tells its state.",
  },
  clock_skew: {
    status: 503,
    title: "This node's clock is ahead of most members, which therefore refuse its writes",
    next: "Correct the clock of this node's machine; write to another node meanwhile.",
    outcome: "none",
  },
  joining: {
    status: 503,
    title: "The node takes writes once a majority of the members has recorded it",
    next: "Wait for Retry-After, or write to another node.",
    outcome: "none",
  },
  leaving: {
    status: 503,
    title: "The node is leaving the cluster",
    next: "Write to another node.",
    outcome: "none",
  },
  limits_differ: {
    status: 503,
    title: "The node's limits are not those of the cluster it wants to join",
    next: "Set the knobs that the detail names as they are on the other nodes.",
    outcome: "none",
  },
  name_taken: {
    status: 503,
    title: "Another live node has this node's name",
    next: "Give one of the two another --name; the detail says where the other one is.",
    outcome: "none",
  },
  peer_busy: {
    status: 503,
    title: "The node has as much under way as it allows itself",
    next: "Nothing to do: peers come back by themselves.",
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
  snapshot_overrun: {
    status: 503,
    title: "Too much changed while the snapshot was taken",
    next: "Wait for Retry-After and ask again when fewer writes arrive, or raise store.snapshotMaxChanged.",
  },
  store_unavailable: {
    status: 503,
    title: "The store is reopening its database",
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
