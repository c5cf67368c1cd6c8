/** Schemas and types of `/kv`. Values in JSON are base64 (RFC 4648, section 4); versions are opaque texts. */

import { LIMITS } from "./limits.ts";
import { type Static, Type } from "./schema.ts";

const Key = Type.String({ description: "1 to 1024 bytes of UTF-8, byte for byte as written" });
const VersionText = Type.String({ description: "Names one write; as in ETag, without the quotes" });
const ContextText = Type.String({ description: "Opaque; goes back in Hearsay-Context" });
const Base64 = Type.String({ description: "base64" });
const Time = Type.String({ description: "ISO 8601, UTC, milliseconds" });
const Size = Type.Integer({ minimum: 0, description: "bytes" });
const Duration = Type.String({ description: "A number and ms, s, m, h or d: 30s" });
const Ack = Type.String({
  description: "Replicas that must hold the write durably: 1, another number, quorum or all",
});

/** Answer of PUT and DELETE. */
export const WriteResult = Type.Object(
  {
    key: Key,
    version: VersionText,
    context: ContextText,
    acks: Type.Integer({ minimum: 1, description: "Replicas known to hold the write durably" }),
  },
  { title: "WriteResult" },
);
export type WriteResult = Static<typeof WriteResult>;

export const ListItem = Type.Object(
  {
    key: Key,
    version: VersionText,
    contentType: Type.String(),
    size: Size,
    value: Type.Optional(Base64),
    expiresAt: Type.Optional(Time),
    conflicts: Type.Optional(Type.Integer({ minimum: 1, description: "Siblings beside the winner" })),
  },
  { title: "ListItem" },
);
export type ListItem = Static<typeof ListItem>;

export const ListPage = Type.Object(
  {
    items: Type.Array(ListItem),
    next: Type.Union([Type.String(), Type.Null()], {
      description:
        "Goes into ?after= for the next page; null on the last. A page may be empty and yet have a next.",
    }),
  },
  { title: "ListPage" },
);
export type ListPage = Static<typeof ListPage>;

/** One version of a key. A tombstone has `deleted: true` and nothing about content. */
export const SiblingItem = Type.Object(
  {
    version: VersionText,
    node: Type.String({ description: "The node that took the write" }),
    time: Time,
    deleted: Type.Boolean(),
    contentType: Type.Optional(Type.String()),
    size: Type.Optional(Size),
    value: Type.Optional(Base64),
    expiresAt: Type.Optional(Time),
    expired: Type.Optional(Type.Boolean()),
  },
  { title: "SiblingItem" },
);
export type SiblingItem = Static<typeof SiblingItem>;

export const SiblingList = Type.Object(
  { key: Key, context: ContextText, siblings: Type.Array(SiblingItem) },
  { title: "SiblingList", description: "All siblings, winner first" },
);
export type SiblingList = Static<typeof SiblingList>;

export const HistoryList = Type.Object(
  { key: Key, versions: Type.Array(SiblingItem) },
  { title: "HistoryList", description: "The versions this node still has, newest first" },
);
export type HistoryList = Static<typeof HistoryList>;

const PutOperation = Type.Object(
  {
    op: Type.Literal("put"),
    key: Key,
    value: Base64,
    contentType: Type.Optional(Type.String()),
    ttl: Type.Optional(Duration),
    context: Type.Optional(ContextText),
  },
  { additionalProperties: false },
);
const DeleteOperation = Type.Object(
  { op: Type.Literal("delete"), key: Key, context: Type.Optional(ContextText) },
  { additionalProperties: false },
);
const GetOperation = Type.Object({ op: Type.Literal("get"), key: Key }, { additionalProperties: false });

export const BatchOperation = Type.Union([PutOperation, DeleteOperation, GetOperation], {
  title: "BatchOperation",
});
export type BatchOperation = Static<typeof BatchOperation>;

/** In MessagePack, `value` is `bin` and `key` and the other texts are `str`. */
export const BatchRequest = Type.Object(
  { operations: Type.Array(BatchOperation, { minItems: 1, maxItems: LIMITS.batchMaxOperations }) },
  { title: "BatchRequest", additionalProperties: false },
);
export type BatchRequest = Static<typeof BatchRequest>;

const BatchWritten = Type.Object({
  op: Type.Union([Type.Literal("put"), Type.Literal("delete")]),
  key: Key,
  version: VersionText,
  context: ContextText,
  acks: Type.Integer({ minimum: 1 }),
});
const BatchFound = Type.Object({
  op: Type.Literal("get"),
  key: Key,
  found: Type.Literal(true),
  version: VersionText,
  context: ContextText,
  contentType: Type.String(),
  size: Size,
  value: Base64,
  expiresAt: Type.Optional(Time),
  conflicts: Type.Optional(Type.Integer({ minimum: 1 })),
});
const BatchMissing = Type.Object({
  op: Type.Literal("get"),
  key: Key,
  found: Type.Literal(false),
  deleted: Type.Boolean(),
  version: Type.Optional(VersionText),
  context: Type.Optional(ContextText),
  conflicts: Type.Optional(Type.Integer({ minimum: 1, description: "Siblings beside the deletion" })),
});

/** One for each operation, in order. */
export const BatchOutcome = Type.Union([BatchWritten, BatchFound, BatchMissing], { title: "BatchOutcome" });
export type BatchOutcome = Static<typeof BatchOutcome>;

export const BatchResult = Type.Object({ results: Type.Array(BatchOutcome) }, { title: "BatchResult" });
export type BatchResult = Static<typeof BatchResult>;

/** Query of `GET` and `HEAD /kv/{key}`. */
export const ReadQuery = Type.Object(
  {
    key: Type.Optional(Key),
    siblings: Type.Optional(Type.Literal("all")),
    history: Type.Optional(Type.Literal("true")),
    ack: Type.Optional(Ack),
    timeout: Type.Optional(Duration),
  },
  { title: "ReadQuery", additionalProperties: false },
);
export type ReadQuery = Static<typeof ReadQuery>;

const acknowledged = { ack: Type.Optional(Ack), timeout: Type.Optional(Duration) };

/** Query of `PUT /kv/{key}`. */
export const WriteQuery = Type.Object(
  { key: Type.Optional(Key), ttl: Type.Optional(Duration), ...acknowledged },
  { title: "WriteQuery", additionalProperties: false },
);
export type WriteQuery = Static<typeof WriteQuery>;

/** Query of `DELETE /kv/{key}`. */
export const DeleteQuery = Type.Object(
  { key: Type.Optional(Key), ...acknowledged },
  { title: "DeleteQuery", additionalProperties: false },
);
export type DeleteQuery = Static<typeof DeleteQuery>;

/** Query of `POST /kv`. */
export const BatchQuery = Type.Object(acknowledged, { title: "BatchQuery", additionalProperties: false });
export type BatchQuery = Static<typeof BatchQuery>;

/** Query of `GET /kv` without a key. */
export const ListQuery = Type.Object(
  {
    prefix: Type.Optional(Type.String()),
    after: Type.Optional(Type.String()),
    limit: Type.Optional(Type.String({ pattern: "^[1-9][0-9]{0,8}$" })),
    keys: Type.Optional(Type.Union([Type.Literal("true"), Type.Literal("false")])),
  },
  { title: "ListQuery", additionalProperties: false },
);
export type ListQuery = Static<typeof ListQuery>;
