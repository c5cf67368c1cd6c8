/** The shapes that messages share. */
import {
  decodeUtf8,
  type ExchangeOffer,
  encodeUtf8,
  fromHex,
  type HlcTime,
  isHlcTime,
  type KeyedRecord,
  type KeyRecord,
  keyFault,
  type NodeId,
  readNodeId,
  recordFromTuple,
  recordToTuple,
  type Standing,
  SWIM_DEFAULTS,
  toHex,
  type Version,
} from "@hearsay/core";
import { bool, bytes, list, Malformed, mapOf, object, type Shape, textLike } from "../shape.ts";

/** Members in one message: as many as a member table holds. */
export const MEMBERS_MAX: number = SWIM_DEFAULTS.membersMax;
/** A vector may still name as many again that were retired since it was last cut to the members. */
const VECTOR_MAX: number = 2 * MEMBERS_MAX;
/** Siblings of a record, and versions named of one. */
const SIBLINGS_MAX = 1024;

export const nodeId: Shape<NodeId> = {
  toPlain: (id) => id,
  fromPlain(plain) {
    const id = typeof plain === "string" ? readNodeId(plain) : undefined;
    if (id === undefined) throw new Malformed("a node id");
    return id;
  },
};

/** What operators see of a peer: printable ASCII, so that it neither steers their terminal nor passes for something else. */
export function word(maxLength: number): Shape<string> {
  return textLike(
    `at most ${maxLength} printable characters`,
    (plain): plain is string => plain.length <= maxLength && /^[!-~]*$/.test(plain),
  );
}

export const address: Shape<string> = word(261);

export const hlcTime: Shape<HlcTime> = {
  toPlain: (time) => time,
  fromPlain(plain) {
    if (!isHlcTime(plain)) throw new Malformed("a clock time");
    return plain;
  },
};

/** Keys travel as bytes, because a codec's texts may be repaired silently when they are not UTF-8. */
export const key: Shape<string> = {
  toPlain: encodeUtf8,
  fromPlain(plain) {
    const decoded = plain instanceof Uint8Array ? decodeUtf8(plain) : undefined;
    if (decoded === undefined || keyFault(decoded) !== undefined) throw new Malformed("a key");
    return decoded;
  },
};

export const version: Shape<Version> = object({ time: hlcTime, node: nodeId });
export const versions: Shape<readonly Version[]> = list(version, SIBLINGS_MAX);

export const record: Shape<KeyRecord> = {
  toPlain: recordToTuple,
  fromPlain(plain) {
    const found = recordFromTuple(plain);
    if (found === undefined || found.siblings.length > SIBLINGS_MAX) throw new Malformed("a record");
    return found;
  },
};

export const keyedRecord: Shape<KeyedRecord> = object({ key, record });
export const standing: Shape<Standing> = object({ floor: hlcTime, complete: bool });
export const offer: Shape<ExchangeOffer> = object({
  time: hlcTime,
  vector: mapOf(nodeId, hlcTime, VECTOR_MAX),
});

/** Exactly so many bytes. */
export function bytesOf(length: number): Shape<Uint8Array> {
  const shape = bytes(length);
  return {
    toPlain: shape.toPlain,
    fromPlain(plain) {
      const value = shape.fromPlain(plain);
      if (value.length !== length) throw new Malformed(`${length} bytes`);
      return value;
    },
  };
}

/** Hexadecimal digits in memory, half as many bytes on the wire. */
export function hex(digits: number): Shape<string> {
  const shape = bytesOf(digits / 2);
  return {
    toPlain: fromHex,
    fromPlain: (plain) => toHex(shape.fromPlain(plain)),
  };
}

/** An object of one kind: its shape without the `kind`, which stands in the union's number. */
export type Body<T extends { readonly kind: string }> = Omit<T, "kind">;

/** How many of a thing a whole message may hold; bytes bound it further. */
export const ITEMS_MAX = 65_536;
