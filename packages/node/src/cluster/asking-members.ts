/**
 * Asking members: what a peer answers that was retired meanwhile is not heard. All that was taken from a retired node has to
 * be committed before its retirement is settled (docs/protocol.md, C, S and the watermark), and an answer may be long on its way.
 */
import type { NodeId } from "@hearsay/core";
import { PeerFault } from "../peer-fault.ts";
import type { Transport } from "./ports.ts";

export function askingMembers(transport: Transport, isRetired: (id: NodeId) => boolean): Transport {
  return {
    request: async (to, message, timeoutMs) => {
      const reply = await transport.request(to, message, timeoutMs);
      if (isRetired(to.id)) throw new PeerFault({ code: "retired" });
      return reply;
    },
  };
}
