/** What nodes say to spread their states: digest, then digest and delta, then delta, as two requests with replies. */
import type { NodeId } from "../identity.ts";

/** A number, a text, or null for a value that was taken back. */
export type StateValue = string | number | null;

export interface StateEntry {
  readonly key: string;
  readonly value: StateValue;
  /** Rises with every change a node makes to its own state. */
  readonly version: number;
}

/** How much of a node's state the sender has: everything of that generation up to and including that version. */
export interface StateDigest {
  readonly node: NodeId;
  /** Rises with every start of the node. */
  readonly generation: number;
  readonly maxVersion: number;
}

/** Changes of one node's state, versions rising, without a gap above `after`. */
export interface StateDelta {
  readonly node: NodeId;
  readonly generation: number;
  /** The receiver has to have everything up to here; 0 begins the generation anew. */
  readonly after: number;
  readonly entries: readonly StateEntry[];
}

export interface StateDigestRequest {
  readonly kind: "state-digest";
  readonly digests: readonly StateDigest[];
  /** Whether all nodes are named that the sender knows: then the ones left out are new to it. */
  readonly whole: boolean;
}

export interface StateDeltaRequest {
  readonly kind: "state-delta";
  readonly deltas: readonly StateDelta[];
}

export interface StateAnswerReply {
  readonly kind: "state-answer";
  /** What the sender has of the nodes of which the asker has more. */
  readonly digests: readonly StateDigest[];
  readonly deltas: readonly StateDelta[];
}

export interface StateDoneReply {
  readonly kind: "state-done";
}

export type StateRequest = StateDigestRequest | StateDeltaRequest;
export type StateReply = StateAnswerReply | StateDoneReply;

/** Half of a node's mass in one run of push-sum, which an epoch and its leader name. */
export interface MassRequest {
  readonly kind: "mass";
  readonly epoch: number;
  readonly leader: NodeId;
  readonly weight: number;
  /** Sums by name; the one with the empty name counts the nodes. */
  readonly sums: readonly (readonly [string, number])[];
}

/** The run the receiver is in; where it is not the sender's, the mass was not taken. */
export interface MassReply {
  readonly kind: "mass-reply";
  readonly epoch: number;
  readonly leader: NodeId;
}
