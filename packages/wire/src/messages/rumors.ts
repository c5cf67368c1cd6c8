import type {
  FetchReply,
  FetchRequest,
  HelloReply,
  HelloRequest,
  HoldsReply,
  HoldsRequest,
  LoadedRumor,
  LoadedRumorReply,
  LoadedRumorRequest,
  Rumor,
  RumorAnswer,
  SharedLimits,
} from "@hearsay/core";
import { HELLO_IDS_MAX } from "@hearsay/core";
import { bool, count, list, nullable, object, oneOf, optional, type Shape } from "../shape.ts";
import { boundTo, type LetInByOne, letInBy, updates } from "./membership.ts";
import {
  type Body,
  hex,
  hlcTime,
  ITEMS_MAX,
  key,
  nodeId,
  record,
  standing,
  version,
  versions,
} from "./terms.ts";

const rumor: Shape<Rumor> = object({ key, versions, sizeBytes: count, hops: count, mailed: bool });

const loaded: Shape<LoadedRumor> = object({
  key,
  versions,
  sizeBytes: count,
  hops: count,
  mailed: bool,
  inline: bool,
  record: nullable(record),
});

const answer: Shape<RumorAnswer> = object({
  key,
  verdict: oneOf<RumorAnswer["verdict"]>("new", "known", "wanted", "promised", "refused"),
});

type Answers = NonNullable<LoadedRumorRequest["answers"]>;
const answers: Shape<Answers | null> = nullable(
  object<Answers>({ turn: count, list: list(answer, ITEMS_MAX) }),
);

const answersOrNone: Shape<Answers | undefined> = {
  toPlain: (value) => answers.toPlain(value ?? null),
  fromPlain: (plain) => answers.fromPlain(plain) ?? undefined,
};

export const rumors: Shape<Body<LoadedRumorRequest>> = object({
  standing,
  rumors: list(loaded, ITEMS_MAX),
  wants: list(rumor, ITEMS_MAX),
  answers: answersOrNone,
  pull: bool,
  updates: optional(updates, []),
});

export const rumorsReply: Shape<Body<LoadedRumorReply>> = object({
  standing,
  turn: count,
  answers: list(answer, ITEMS_MAX),
  rumors: list(loaded, ITEMS_MAX),
  updates: optional(updates, []),
});

export const fetch: Shape<Body<FetchRequest>> = object({ key });
export const fetched: Shape<Body<FetchReply>> = object({ standing, record: nullable(record) });
export const holds: Shape<Body<HoldsRequest>> = object({ key, version });
export const holdsReply: Shape<Body<HoldsReply>> = object({ holds: bool });

const limits: Shape<SharedLimits> = object({
  maxValueBytes: count,
  maxSiblings: count,
  maxMessageBytes: count,
  tombstoneRetentionMs: count,
  digestKeyId: hex(16),
});

export const hello: Shape<Body<HelloRequest>> = object<Body<HelloRequest> & LetInByOne>({
  limits,
  knows: optional(list(nodeId, HELLO_IDS_MAX), []),
  belongs: optional(bool, false),
  letInBy,
  boundTo,
});
export const welcome: Shape<Body<HelloReply>> = object({
  limits,
  time: hlcTime,
  floor: hlcTime,
  watermark: hlcTime,
  recorded: bool,
  newcomer: optional(bool, false),
  related: optional(bool, false),
  by: optional(nullable(nodeId), null),
});
