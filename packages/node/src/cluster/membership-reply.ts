import type { PeerReply, SwimReply } from "@hearsay/core";
import { PeerFault } from "../peer-fault.ts";

/** @throws PeerFault `bad_message` for what is no answer to a membership message */
export function expectMembership(reply: PeerReply): SwimReply {
  switch (reply.kind) {
    case "ack":
    case "nack":
    case "state":
    case "retired-ids":
    case "refused":
      return reply;
    default:
      throw new PeerFault({ code: "bad_message", what: reply.kind });
  }
}
