/** Which messages are not let in. A refusal changes no state, so a hostile or lost sender costs one reply. */
import type { NodeId } from "../identity.ts";
import { isLiveMember, isWellFormed, type Member, peerOf, protocolsOverlap } from "./member.ts";
import type { MemberTable } from "./member-table.ts";
import { ANYONE, type RefusalCode, type Refused, type SwimRequest } from "./swim-messages.ts";

/** Why a node with this entry and table refuses a request; undefined when it takes it. */
export function refusalOf(message: SwimRequest, self: Member, table: MemberTable): Refused | undefined {
  const { from, to } = message;
  if (!isWellFormed(from) || (from.state !== "alive" && from.state !== "stopped")) return refuse("malformed");
  if (from.id === self.id) return refuse("own_id", self);
  if (table.isRetired(from.id)) return refuse("retired");
  if (to !== ANYONE && to !== self.id) return refuse("not_me", self);
  if (!protocolsOverlap(from.protocol, self.protocol)) return refuse("protocol_mismatch");
  const known = table.get(from.id);
  if (known !== undefined && isLiveMember(known)) return undefined;
  const namesake = from.state === "alive" ? table.liveNamesake(from) : undefined;
  if (namesake !== undefined && !retiredBy(message).includes(namesake.id))
    return refuse("name_taken", namesake);
  return known === undefined && table.full ? refuse("table_full") : undefined;
}

function refuse(code: RefusalCode, holder?: Member): Refused {
  return holder === undefined ? { kind: "refused", code } : { kind: "refused", code, holder: peerOf(holder) };
}

/** The ids that a message retires: a successor's first message does so with its predecessor. */
function retiredBy(message: SwimRequest): readonly NodeId[] {
  if (message.kind === "push-pull") return message.retired;
  if (message.kind === "retired-page") return message.ids;
  return message.updates.flatMap((update) => (update.kind === "retired" ? [update.id] : []));
}
