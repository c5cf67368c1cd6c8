/** Which messages are not let in. A refusal changes no state, so a hostile or lost sender costs one reply. */
import type { NodeId } from "../identity.ts";
import { isLiveMember, isWellFormed, type Member, peerOf, protocolsOverlap } from "./member.ts";
import type { MemberTable } from "./member-table.ts";
import {
  ANYONE,
  type PushPull,
  type RefusalCode,
  type Refused,
  type SwimRequest,
  type TableStatement,
} from "./swim-messages.ts";

/**
 * Whether a member's ids are those of another cluster than this one, which has the same name. Tables only grow, and whoever
 * enters a cluster takes over that of its introducer. So any two members of one cluster know an id in common, be it that of its
 * first member, retired long ago. And whoever has taken over one takes no other: it would bring two clusters together.
 * Who was let in and has no table yet knows the member that did it, and a founder knows those it has found.
 */
export function isOfOtherCluster(
  { table, boundTo }: Pick<Receiver, "table" | "boundTo">,
  theirs: readonly NodeId[],
): boolean {
  return theirs.every((id) => !boundTo.includes(id) && table.stateOf(id) === undefined);
}

/** What this node is, as far as it decides whom it lets in. */
export interface Receiver {
  readonly self: Member;
  readonly table: MemberTable;
  readonly belongs: boolean;
  /** See {@link PushPull.boundTo}. */
  readonly boundTo: readonly NodeId[];
}

/**
 * Whether both are members, or on their way to become some, and of two clusters; or one of them was let in, by a member or by those it
 * begins a cluster with, and the other one knows nothing of these: they would begin a cluster beside theirs, which may have recorded the one.
 */
export function isStranger(
  receiver: Omit<Receiver, "self">,
  theirs: TableStatement & Partial<Pick<PushPull, "boundTo">>,
): boolean {
  const { members, retired, boundTo = [] } = theirs;
  const isOneLetIn = receiver.boundTo.length > 0 || boundTo.length > 0;
  if (!isOneLetIn && !(receiver.belongs && theirs.belongs)) return false;
  return isOfOtherCluster(receiver, [...members.map(({ id }) => id), ...retired, ...boundTo]);
}

/** Why a node refuses a request; undefined when it takes it. */
export function refusalOf(message: SwimRequest, receiver: Receiver): Refused | undefined {
  const { self, table } = receiver;
  const { from, to } = message;
  if (!isWellFormed(from) || (from.state !== "alive" && from.state !== "stopped")) return refuse("malformed");
  if (from.id === self.id) return refuse("own_id", self);
  if (table.isRetired(from.id)) return refuse("retired");
  if (to !== ANYONE && to !== self.id) return refuse("not_me", self);
  if (message.kind === "push-pull" && isStranger(receiver, message)) return refuse("other_cluster", self);
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
