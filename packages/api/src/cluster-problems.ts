/** Problems of nodes with one another, and of calls about the cluster; see problems.ts for what the fields mean. */
import type { ProblemKind } from "./problems.ts";

export const CLUSTER_PROBLEMS = {
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
    title: "The node holds records that may not be brought into the cluster",
    next: "Save a snapshot, join with an empty data directory, then restore the snapshot with mode=missing.",
  },
  unknown_member: {
    status: 409,
    title: "The sender is in no member table here",
    next: "Nothing to do: it joins or exchanges tables by itself.",
  },
  other_cluster: {
    status: 409,
    title: "The nodes belong to two clusters of one name, which were begun apart",
    next: "Start a node that lost its data and began anew with join. Of two clusters with more nodes, export what one took, then start its nodes with join and empty data directories.",
  },
  confirmation_needed: {
    status: 400,
    title: "This cannot be taken back and has to be confirmed",
    next: "Read what the answer says may be lost, then send it again with confirm set to true.",
  },
  peer_address_refused: {
    status: 400,
    title: "No member may have that address",
    next: "Give the HOST:PORT of a member within peers.allowedRanges; link-local addresses are never a peer's.",
    outcome: "none",
  },
  peer_unreachable: {
    status: 502,
    title: "The member does not answer",
    next: "Try again when it is back; GET /cluster tells its state.",
    outcome: "none",
  },
  auth_missing: {
    status: 401,
    title: "The message is not signed",
    next: "One of the two nodes has no security.clusterSecret: give all nodes of the cluster the same one.",
  },
  auth_wrong: {
    status: 401,
    title: "The message's signature is wrong",
    next: "The two nodes have different secrets: give all nodes of the cluster the same security.clusterSecret.",
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
  bad_message: {
    status: 400,
    title: "A peer's message is not one this node understands",
    next: "Run the same build on all nodes, or one whose wire versions overlap.",
  },
  peer_busy: {
    status: 503,
    title: "The node has as much under way as it allows itself",
    next: "Nothing to do: peers come back by themselves.",
  },
  joining: {
    status: 503,
    title: "The node takes writes once a majority of the members has recorded it",
    next: "Wait for Retry-After, or write to another node. If members are gone for good, its own former id too, forget them (hearsay forget) on a node that takes writes; if none does, stop it and use hearsay reset --alone.",
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
  data_too_old: {
    status: 503,
    title: "The node holds records that may not be brought into the cluster it wants to join",
    next: "Save a snapshot, start the node with an empty data directory, then restore the snapshot with mode=missing. Or start it without --join, alone; if it had been let in there once, after hearsay reset --alone.",
    outcome: "none",
  },
  name_taken: {
    status: 503,
    title: "Another live node has this node's name",
    next: "Give one of the two another --name; the detail says where the other one is.",
    outcome: "none",
  },
} as const satisfies Readonly<Record<string, ProblemKind>>;
