/**
 * Schemas and types of `/watch`. As server-sent events each one has its name in `event`, its cursor in `id` and one of
 * these objects in `data`; a long poll answers all of them at once.
 */
import { ListItem } from "./kv.ts";
import { type Static, Type } from "./schema.ts";

/** How long a stream is silent at most: then comes a comment, with the newest cursor as `id`. */
export const WATCH_HEARTBEAT_MS = 15_000;

const Cursor = Type.String({ description: "Opaque; goes back in since or Last-Event-ID, to any node" });

/** Query of `GET /watch`. */
export const WatchQuery = Type.Object(
  {
    prefix: Type.Optional(Type.String()),
    since: Type.Optional(
      Type.String({ description: "A cursor; or now, without what is there already. Default: everything" }),
    ),
    wait: Type.Optional(
      Type.String({ description: "A duration: answer one JSON batch, waiting up to so long" }),
    ),
    keys: Type.Optional(Type.Union([Type.Literal("true"), Type.Literal("false")])),
  },
  { title: "WatchQuery", additionalProperties: false },
);
export type WatchQuery = Static<typeof WatchQuery>;

/** Data of `put`: the key's new winner. */
export const WatchPut = ListItem;
export type WatchPut = ListItem;

/** Data of `delete`: the key has no value any more. */
export const WatchDelete = Type.Object(
  {
    key: Type.String(),
    version: Type.String({ description: "The tombstone's; of an expired value its own" }),
    expired: Type.Boolean({ description: "Nobody deleted it: its time was over" }),
    conflicts: Type.Optional(Type.Integer({ minimum: 1, description: "Siblings beside it" })),
  },
  { title: "WatchDelete" },
);
export type WatchDelete = Static<typeof WatchDelete>;

/**
 * Data of `reset`. `cursor_too_old`, `unknown_node`: what the reader knows of the prefix is void, and all that is there
 * follows, up to `synced`. `slow_reader`: the stream ends, and the last cursor resumes it.
 */
export const WatchReset = Type.Object(
  {
    reason: Type.Union([
      Type.Literal("cursor_too_old"),
      Type.Literal("unknown_node"),
      Type.Literal("slow_reader"),
    ]),
    detail: Type.String(),
  },
  { title: "WatchReset" },
);
export type WatchReset = Static<typeof WatchReset>;

/** Answer of a long poll. */
export const WatchBatch = Type.Object(
  {
    events: Type.Array(
      Type.Union([
        Type.Object({ event: Type.Literal("put"), data: WatchPut }),
        Type.Object({ event: Type.Literal("delete"), data: WatchDelete }),
        Type.Object({ event: Type.Literal("reset"), data: WatchReset }),
        Type.Object({ event: Type.Literal("synced"), data: Type.Object({}) }),
      ]),
    ),
    cursor: Cursor,
  },
  { title: "WatchBatch", description: "What happened, in order; the cursor resumes behind all of it" },
);
export type WatchBatch = Static<typeof WatchBatch>;
