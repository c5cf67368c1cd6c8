/** Schemas and types of the calls about the node and its data as a whole, and of problems. */
import { type Static, Type } from "./schema.ts";

const Time = Type.String({ description: "ISO 8601, UTC, milliseconds" });
const Count = Type.Integer({ minimum: 0 });
const Next = Type.Union([Type.String(), Type.Null()], {
  description: "Goes into ?after=; null on the last page. A page may be empty and yet have a next.",
});

export const Problem = Type.Object(
  {
    status: Type.Integer(),
    code: Type.String({ description: "Stable, snake_case" }),
    title: Type.String(),
    detail: Type.Optional(Type.String()),
    next: Type.String({ description: "The step to take" }),
    outcome: Type.Optional(
      Type.Union([Type.Literal("none"), Type.Literal("unknown")], {
        description: "Of a write: definitely not done, or may be done",
      }),
    ),
  },
  {
    title: "Problem",
    description: "RFC 9457; more facts may stand beside these",
    additionalProperties: true,
  },
);
export type Problem = Static<typeof Problem>;

export const PageQuery = Type.Object(
  {
    prefix: Type.Optional(Type.String()),
    after: Type.Optional(Type.String()),
    limit: Type.Optional(Type.String({ pattern: "^[1-9][0-9]{0,8}$" })),
  },
  { title: "PageQuery", additionalProperties: false },
);
export type PageQuery = Static<typeof PageQuery>;

export const ConflictPage = Type.Object(
  {
    items: Type.Array(
      Type.Object({
        key: Type.String(),
        versions: Type.Array(Type.String(), { description: "Of all siblings, winner first" }),
        context: Type.String({ description: "A write with it resolves the conflict" }),
      }),
    ),
    next: Next,
  },
  { title: "ConflictPage" },
);
export type ConflictPage = Static<typeof ConflictPage>;

export const TombstoneReport = Type.Object(
  {
    count: Count,
    oldest: Type.Union([Time, Type.Null()]),
    floor: Type.Union([Time, Type.Null()], {
      description: "Deletions up to then are gone, or about to go; it trails the watermark by the retention",
    }),
    watermark: Type.Union([Time, Type.Null()]),
    oldestRemovableFrom: Type.Union([Time, Type.Null()], {
      description: "The oldest goes once the watermark has reached this time",
    }),
    blockedBy: Type.Array(
      Type.Object({
        id: Type.String(),
        name: Type.String(),
        state: Type.String(),
        completeThrough: Type.Union([Time, Type.Null()]),
      }),
      { description: "Members that hold the removal back" },
    ),
    items: Type.Array(
      Type.Object({
        key: Type.String(),
        version: Type.String(),
        time: Time,
        removableFrom: Type.String({
          description: "ISO 8601 time that the watermark has to reach",
        }),
      }),
      { description: "The oldest, at most ?limit= of them" },
    ),
  },
  { title: "TombstoneReport" },
);
export type TombstoneReport = Static<typeof TombstoneReport>;

export const TombstoneQuery = Type.Object(
  { limit: Type.Optional(Type.String({ pattern: "^[1-9][0-9]{0,8}$" })) },
  { title: "TombstoneQuery", additionalProperties: false },
);
export type TombstoneQuery = Static<typeof TombstoneQuery>;

export const GhostReport = Type.Object(
  {
    node: Type.String({ description: "The id of the node that answers; each keeps its own" }),
    count: Count,
    max: Type.Integer({ description: "So many are kept at most; beyond, a version is refused and not kept" }),
    items: Type.Array(
      Type.Object({
        key: Type.String(),
        version: Type.String(),
        node: Type.String({ description: "The id of its writer" }),
        time: Type.String({ description: "When it was written: ISO 8601, UTC, milliseconds" }),
        contentType: Type.Union([Type.String(), Type.Null()], { description: "Null of a deletion" }),
        size: Count,
        expiresAt: Type.Optional(Type.String()),
        keptAt: Type.Union([Time, Type.Null()], {
          description: "When it was kept aside; null by earlier builds",
        }),
        why: Type.Union([Type.Literal("refused"), Type.Literal("dropped"), Type.Null()], {
          description:
            "refused: a peer offered it and it was not taken. dropped: this node held it and a peer that knows better refused it. null by earlier builds",
        }),
        value: Type.Optional(Type.String({ description: "base64; only of the one that was asked for" })),
      }),
      { description: "Those kept last come first, at most ?limit= of them" },
    ),
  },
  { title: "GhostReport" },
);
export type GhostReport = Static<typeof GhostReport>;

export const GhostQuery = Type.Object(
  {
    limit: Type.Optional(Type.String({ pattern: "^[1-9][0-9]{0,8}$" })),
    key: Type.Optional(Type.String()),
    version: Type.Optional(Type.String({ description: "With key: only this one, and its value" })),
  },
  { title: "GhostQuery", additionalProperties: false },
);
export type GhostQuery = Static<typeof GhostQuery>;

export const GhostDiscard = Type.Object(
  { key: Type.String(), version: Type.String() },
  { title: "GhostDiscard", additionalProperties: false },
);
export type GhostDiscard = Static<typeof GhostDiscard>;

export const GhostDiscarded = Type.Object(
  { key: Type.String(), version: Type.String(), left: Count },
  { title: "GhostDiscarded" },
);
export type GhostDiscarded = Static<typeof GhostDiscarded>;

export const RestoreMode = Type.Union(
  [Type.Literal("missing"), Type.Literal("as-new"), Type.Literal("exact")],
  {
    title: "RestoreMode",
    description:
      "missing: values of keys that are neither held nor deleted here, as new writes. as-new: every value, as a new write, but of keys that are deleted here only with revive. exact: the records as they were, into an empty store.",
  },
);
export type RestoreMode = Static<typeof RestoreMode>;

export const RestoreQuery = Type.Object(
  {
    mode: RestoreMode,
    "dry-run": Type.Optional(Type.Union([Type.Literal("true"), Type.Literal("false")])),
    revive: Type.Optional(
      Type.Union([Type.Literal("true"), Type.Literal("false")], {
        description: "With as-new: also keys that are deleted here get their values back",
      }),
    ),
  },
  { title: "RestoreQuery", additionalProperties: false },
);
export type RestoreQuery = Static<typeof RestoreQuery>;

export const RestoreReport = Type.Object(
  {
    mode: RestoreMode,
    dryRun: Type.Boolean(),
    records: Type.Integer({ minimum: 0, description: "In the snapshot" }),
    applied: Type.Integer({ minimum: 0, description: "Written, or to be written in a dry run" }),
    skippedHeld: Type.Integer({ minimum: 0, description: "The key has a value here" }),
    skippedDeleted: Type.Integer({ minimum: 0, description: "The key was deleted here, or in the snapshot" }),
  },
  { title: "RestoreReport" },
);
export type RestoreReport = Static<typeof RestoreReport>;

export const Readiness = Type.Object(
  {
    ready: Type.Boolean(),
    checks: Type.Optional(
      Type.Array(Type.Object({ name: Type.String(), ok: Type.Boolean(), detail: Type.String() })),
    ),
  },
  { title: "Readiness" },
);
export type Readiness = Static<typeof Readiness>;

export const ReadinessQuery = Type.Object(
  { verbose: Type.Optional(Type.String()) },
  { title: "ReadinessQuery", additionalProperties: false },
);
export type ReadinessQuery = Static<typeof ReadinessQuery>;
