/** Names of the headers that are Hearsay's own, as HTTP/1.1 messages carry them. */
export const HEADERS = {
  /** Opaque: what the client has seen of a key. The empty value is the context that has seen nothing. */
  context: "Hearsay-Context",
  /** How many concurrent siblings stand beside the winner; absent when there are none. */
  conflicts: "Hearsay-Conflicts",
  /** The id of the node that answered. */
  node: "Hearsay-Node",
  /** ISO 8601 time: the node holds every write made up to then. */
  completeThrough: "Hearsay-Complete-Through",
  /** On reads: answer only once the node holds this version. */
  after: "Hearsay-After",
  /** ISO 8601 time from which the value reads as deleted; absent when it never does. */
  expires: "Hearsay-Expires",
} as const;

export const MEDIA_TYPES = {
  json: "application/json",
  ndjson: "application/x-ndjson",
  msgpack: "application/msgpack",
  problem: "application/problem+json",
  octets: "application/octet-stream",
  events: "text/event-stream",
  snapshot: "application/vnd.hearsay.snapshot",
} as const;
