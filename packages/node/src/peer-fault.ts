/** Why a message between nodes came to nothing: the reason to tell the peer, or what the peer told. */
export type PeerFaultReason =
  /** The message is not of the form it has to have. */
  | { readonly code: "bad_message"; readonly what: string }
  /** A time in it lies too far ahead of this node's clock. */
  | { readonly code: "clock_drift"; readonly aheadMs: number; readonly maxDriftMs: number }
  /** As much is under way as this node allows itself; come back later. */
  | { readonly code: "busy" }
  /** The peer answered something that has no place in the exchange. */
  | { readonly code: "exchange_broken"; readonly what: string }
  /** The sender is retired: it may come back only as a new incarnation. */
  | { readonly code: "retired" }
  /** The sender is in no member table here: it has to join, or to exchange tables, first. */
  | { readonly code: "unknown_member" }
  | { readonly code: "unreachable" }
  | { readonly code: "timeout" }
  /** The sender has been a member, and of another cluster than this one, which has the same name. */
  | { readonly code: "other_cluster" }
  /** The peer refused, with a code of its own. */
  | { readonly code: "refused"; readonly reason: string };

export class PeerFault extends Error {
  readonly reason: PeerFaultReason;

  constructor(reason: PeerFaultReason) {
    super(textOf(reason));
    this.name = "PeerFault";
    this.reason = reason;
  }
}

/** With what tells one from another of the same code. */
function textOf(reason: PeerFaultReason): string {
  if (reason.code === "refused") return `refused: ${reason.reason}`;
  return "what" in reason ? `${reason.code}: ${reason.what}` : reason.code;
}
