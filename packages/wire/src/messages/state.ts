import type {
  StateAnswerReply,
  StateDelta,
  StateDeltaRequest,
  StateDigest,
  StateDigestRequest,
  StateEntry,
  StateValue,
} from "@hearsay/core";
import { NODE_STATE_LIMITS } from "@hearsay/core";
import { bool, count, list, Malformed, object, type Shape, text } from "../shape.ts";
import { type Body, nodeId } from "./terms.ts";

const { maxNodes, maxKeysPerNode, maxKeyLength, maxTextLength } = NODE_STATE_LIMITS;

const value: Shape<StateValue> = {
  toPlain: (state) => state,
  fromPlain(plain) {
    if (plain === null || (typeof plain === "number" && Number.isFinite(plain))) return plain;
    if (typeof plain === "string" && plain.length <= maxTextLength) return plain;
    throw new Malformed("a number, a text or nothing");
  },
};

const entry: Shape<StateEntry> = object({ key: text(maxKeyLength), value, version: count });
const digestOf: Shape<StateDigest> = object({ node: nodeId, generation: count, maxVersion: count });
const deltaOf: Shape<StateDelta> = object({
  node: nodeId,
  generation: count,
  after: count,
  entries: list(entry, maxKeysPerNode),
});

export const digest: Shape<Body<StateDigestRequest>> = object({
  digests: list(digestOf, maxNodes),
  whole: bool,
});
export const delta: Shape<Body<StateDeltaRequest>> = object({ deltas: list(deltaOf, maxNodes) });
export const answer: Shape<Body<StateAnswerReply>> = object({
  digests: list(digestOf, maxNodes),
  deltas: list(deltaOf, maxNodes),
});
