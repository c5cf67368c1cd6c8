import type {
  StateAnswerReply,
  StateDelta,
  StateDeltaRequest,
  StateDigest,
  StateDigestRequest,
  StateEntry,
  StateValue,
} from "@hearsay/core";
import { bool, count, list, Malformed, object, type Shape, text } from "../shape.ts";
import { type Body, MEMBERS_MAX, nodeId } from "./terms.ts";

const ENTRIES_MAX = 1024;
const TEXT_MAX_LENGTH = 1024;

const value: Shape<StateValue> = {
  toPlain: (state) => state,
  fromPlain(plain) {
    if (plain === null || (typeof plain === "number" && Number.isFinite(plain))) return plain;
    if (typeof plain === "string" && plain.length <= TEXT_MAX_LENGTH) return plain;
    throw new Malformed("a number, a text or nothing");
  },
};

const entry: Shape<StateEntry> = object({ key: text(64), value, version: count });
const digestOf: Shape<StateDigest> = object({ node: nodeId, generation: count, maxVersion: count });
const deltaOf: Shape<StateDelta> = object({
  node: nodeId,
  generation: count,
  after: count,
  entries: list(entry, ENTRIES_MAX),
});

export const digest: Shape<Body<StateDigestRequest>> = object({
  digests: list(digestOf, MEMBERS_MAX),
  whole: bool,
});
export const delta: Shape<Body<StateDeltaRequest>> = object({ deltas: list(deltaOf, MEMBERS_MAX) });
export const answer: Shape<Body<StateAnswerReply>> = object({
  digests: list(digestOf, MEMBERS_MAX),
  deltas: list(deltaOf, MEMBERS_MAX),
});
