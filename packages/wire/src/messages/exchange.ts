import type {
  BucketWant,
  CompareReply,
  CompareRequest,
  ExchangeCompare,
  ExchangeCompared,
  ExchangeDiffers,
  ExchangeEqual,
  ExchangeMore,
  ExchangeRest,
  ExchangeStart,
  ExchangeTransfer,
  ExchangeTransferred,
  KeyedRecord,
  RefusedVersions,
  WalkNode,
} from "@hearsay/core";
import { TREE_ARITY, WALK_HASH_BYTES, WALK_MAX_NODES } from "@hearsay/core";
import {
  bool,
  bytes,
  count,
  distinct,
  list,
  nonEmpty,
  nullable,
  object,
  optional,
  type Shape,
} from "../shape.ts";
import { type Body, bytesOf, hex, ITEMS_MAX, key, keyedRecord, offer, standing, versions } from "./terms.ts";

const CHILDREN_BYTES = TREE_ARITY * WALK_HASH_BYTES;
const LISTING_MAX_BYTES = 64 * 1024 * 1024;

const children: Shape<Uint8Array> = bytesOf(CHILDREN_BYTES);
const walkNode: Shape<WalkNode> = object({ level: count, index: count, children });
const compare: Shape<CompareRequest> = object({ nodes: list(walkNode, WALK_MAX_NODES) });
const compared: Shape<CompareReply> = object({
  nodes: list(walkNode, WALK_MAX_NODES * TREE_ARITY),
  buckets: list(object({ bucket: count, entries: bytes(LISTING_MAX_BYTES) }), ITEMS_MAX),
  leftOut: list(count, WALK_MAX_NODES),
});
/** A bucket is read for each want, so that none may be without a hash, or name a bucket again. */
const keyHashes: Shape<readonly string[]> = nonEmpty(list(hex(12), ITEMS_MAX));
const want: Shape<BucketWant> = object({ bucket: count, keyHashes });
const wants: Shape<readonly BucketWant[]> = distinct(list(want, ITEMS_MAX), ({ bucket }) => bucket);
/** Of different keys: what becomes of a record is read from the store when all of them are merged. */
const records: Shape<readonly KeyedRecord[]> = distinct(list(keyedRecord, ITEMS_MAX), ({ key }) => key);
const refused: Shape<readonly RefusedVersions[]> = list(object({ key, versions }), ITEMS_MAX);

export const exchangeStart: Shape<Body<ExchangeStart>> = object({
  session: count,
  tableHash: hex(16),
  standing,
  offer,
  root: bytesOf(32),
});

export const exchangeCompare: Shape<Body<ExchangeCompare>> = object({ session: count, compare });

export const exchangeTransfer: Shape<Body<ExchangeTransfer>> = object({
  session: count,
  standing,
  records,
  wants,
  refused,
  final: bool,
});

export const exchangeRest: Shape<Body<ExchangeRest>> = object({ session: count, from: count });

const wallMs: Shape<number | null> = optional(nullable(count), null);

export const exchangeEqual: Shape<Body<ExchangeEqual>> = object({ standing, offer, staying: bool, wallMs });
export const exchangeDiffers: Shape<Body<ExchangeDiffers>> = object({ standing, offer, children, wallMs });
export const exchangeCompared: Shape<Body<ExchangeCompared>> = object({ reply: compared });

const transferred = {
  standing,
  records,
  leftOut: wants,
  refused,
  staying: bool,
};
export const exchangeTransferred: Shape<Body<ExchangeTransferred>> = object(transferred);
export const exchangeMore: Shape<Body<ExchangeMore>> = object({ ...transferred, next: count });
