import type {
  Member,
  Peer,
  Ping,
  PingReq,
  PushPull,
  Refused,
  RetiredPage,
  SwimReply,
  Update,
} from "@hearsay/core";
import { BOUND_TO_MAX, isNodeId, RETIRED_PAGE, SWIM_DEFAULTS } from "@hearsay/core";
import {
  bool,
  count,
  gone,
  list,
  nullable,
  object,
  oneOf,
  optional,
  type Shape,
  textLike,
  union,
} from "../shape.ts";
import { address, type Body, hex, MEMBERS_MAX, nodeId, word } from "./terms.ts";

/** What is piggybacked, before it what is believed of the receiver, and the retirement of the sender. */
const UPDATES_MAX: number = SWIM_DEFAULTS.piggybackMaxItems + 2;

const member: Shape<Member> = object({
  id: nodeId,
  address,
  generation: count,
  state: oneOf("alive", "suspect", "dead", "stopped"),
  zone: word(63),
  protocol: object({ min: count, max: count }),
  build: word(63),
});

type MemberUpdate = Extract<Update, { kind: "member" }>;

const memberUpdate: Shape<Body<MemberUpdate>> = withOptional(
  object<{ member: Member; accuser: string | null }>({ member, accuser: nullable(nodeId) }),
);

/** On the wire a missing accuser is nil, in memory it is absent. */
function withOptional(shape: Shape<{ member: Member; accuser: string | null }>): Shape<Body<MemberUpdate>> {
  return {
    toPlain: (value) => shape.toPlain({ member: value.member, accuser: value.accuser ?? null }),
    fromPlain(plain) {
      const { member: found, accuser } = shape.fromPlain(plain);
      return accuser === null ? { member: found } : { member: found, accuser };
    },
  };
}

const update: Shape<Update> = union<Update>({
  member: [1, memberUpdate],
  retired: [2, object({ id: nodeId })],
});

export const updates: Shape<readonly Update[]> = list(update, UPDATES_MAX);
const members: Shape<readonly Member[]> = list(member, MEMBERS_MAX);
const retired: Shape<readonly string[]> = list(nodeId, RETIRED_PAGE);
const belongs: Shape<boolean> = optional(bool, false);

/** Of who let the sender in, a build said one id. */
export interface LetInByOne {
  readonly letInBy?: undefined;
}

export const letInBy: Shape<undefined> = gone;
export const boundTo: Shape<readonly string[]> = optional(list(nodeId, BOUND_TO_MAX), []);

/** A node id, or empty for whoever answers at the address. */
const addressee: Shape<string> = textLike(
  "a node id or nothing",
  (value): value is string => value === "" || isNodeId(value),
);

export const ping: Shape<Body<Ping>> = object({ from: member, to: addressee, updates });

export const pingReq: Shape<Body<PingReq>> = object({
  from: member,
  to: addressee,
  target: nodeId,
  waitMs: count,
  updates,
});

export const pushPull: Shape<Body<PushPull>> = object<Body<PushPull> & LetInByOne>({
  from: member,
  to: addressee,
  members,
  retired,
  belongs,
  letInBy,
  boundTo,
});

export const retiredPage: Shape<Body<RetiredPage>> = object({
  from: member,
  to: addressee,
  after: addressee,
  ids: retired,
});

type Reply<K extends SwimReply["kind"]> = Body<Extract<SwimReply, { kind: K }>>;

export const ack: Shape<Reply<"ack">> = object({ from: member, updates });
export const nack: Shape<Reply<"nack">> = object({ from: member, updates });

export const state: Shape<Reply<"state">> = object({
  from: member,
  members,
  retired,
  tableHash: hex(16),
  belongs,
});

export const retiredIds: Shape<Reply<"retired-ids">> = object({ from: member, ids: retired });

const peer: Shape<Peer> = object({ id: nodeId, address });

const refusal: Shape<{ code: Refused["code"]; holder: Peer | null }> = object({
  code: oneOf<Refused["code"]>(
    "retired",
    "name_taken",
    "not_me",
    "own_id",
    "protocol_mismatch",
    "table_full",
    "malformed",
    "other_cluster",
  ),
  holder: nullable(peer),
});

export const refused: Shape<Body<Refused>> = {
  toPlain: (value) => refusal.toPlain({ code: value.code, holder: value.holder ?? null }),
  fromPlain(plain) {
    const { code, holder } = refusal.fromPlain(plain);
    return holder === null ? { code } : { code, holder };
  },
};
