/** Schemas and types of the calls about the cluster. Members are named by their ids, with the name beside it. */
import { type Static, Type } from "./schema.ts";

const Time = Type.String({ description: "ISO 8601, UTC, milliseconds" });
const TimeOrNull = Type.Union([Time, Type.Null()]);
const Count = Type.Integer({ minimum: 0 });
const CountOrNull = Type.Union([Count, Type.Null()]);
const TextOrNull = Type.Union([Type.String(), Type.Null()]);

export const MemberStateName = Type.Union(
  [Type.Literal("alive"), Type.Literal("suspect"), Type.Literal("dead"), Type.Literal("stopped")],
  { title: "MemberStateName", description: "Stopped is said by the member itself, which means to come back" },
);
export type MemberStateName = Static<typeof MemberStateName>;

const memberRef = { id: Type.String(), name: Type.String(), state: MemberStateName };

/** Enough to know which member is meant. */
export const MemberRef = Type.Object(memberRef, { title: "MemberRef" });
export type MemberRef = Static<typeof MemberRef>;

export const ClusterMemberItem = Type.Object(
  {
    id: Type.String(),
    name: Type.String(),
    self: Type.Boolean({ description: "The node that answers" }),
    state: MemberStateName,
    address: Type.String(),
    zone: Type.String(),
    build: Type.String(),
    generation: Type.Integer(),
    phi: Type.Union([Type.Number(), Type.Null()], {
      description: "Suspicion by silence; null before enough messages have come, and of the answering node",
    }),
    keys: CountOrNull,
    bytes: CountOrNull,
    notWritable: Type.Union([Type.String(), Type.Null()], {
      description: "The code of why it takes no client writes; null when it does or has not said",
    }),
    clockOffsetMs: Type.Union([Type.Number(), Type.Null()], {
      description:
        "How far its wall clock is ahead of the answering node's; null when it was not compared yet",
    }),
    clockErrorMs: Type.Union([Type.Number(), Type.Null()], {
      description: "The offset is off by at most so much",
    }),
    completeThrough: Type.Union([Time, Type.Null()], {
      description: "It holds every write made up to then",
    }),
    lastExchange: Type.Union(
      [Type.Object({ at: Time, equal: Type.Boolean(), keysSent: Count, keysReceived: Count }), Type.Null()],
      { description: "The last one that the answering node began with it" },
    ),
  },
  { title: "ClusterMemberItem" },
);
export type ClusterMemberItem = Static<typeof ClusterMemberItem>;

export const ClusterStatus = Type.Object(
  {
    cluster: Type.String(),
    node: Type.String({ description: "The id of the node that answers" }),
    watermark: Type.Union([Time, Type.Null()], {
      description: "Complete through: every write made up to then is on every counted member",
    }),
    watermarkAgeMs: CountOrNull,
    writable: Type.Boolean({ description: "The answering node takes client writes" }),
    notWritable: TextOrNull,
    totals: Type.Object({
      members: Count,
      live: Type.Integer({ minimum: 0, description: "Alive or suspect" }),
      keys: Type.Integer({ minimum: 0, description: "Of the member that holds most, deleted keys included" }),
      bytes: Type.Integer({ minimum: 0, description: "Stored on all members together" }),
    }),
    members: Type.Array(ClusterMemberItem, { description: "All that count, by id" }),
  },
  { title: "ClusterStatus" },
);
export type ClusterStatus = Static<typeof ClusterStatus>;

export const HeldBackItem = Type.Object(
  {
    node: Type.String(),
    name: Type.String(),
    state: MemberStateName,
    reason: Type.Union(
      [
        Type.Literal("silent"),
        Type.Literal("other_table"),
        Type.Literal("behind"),
        Type.Literal("unsettled"),
      ],
      {
        description:
          "silent: it has said nothing yet. other_table: it counts other members than this node. behind: it has not confirmed more. unsettled: it has not confirmed what came before the latest retirement.",
      },
    ),
    completeThrough: TimeOrNull,
  },
  { title: "HeldBackItem" },
);
export type HeldBackItem = Static<typeof HeldBackItem>;

const convergenceFacts = {
  watermark: TimeOrNull,
  watermarkAgeMs: CountOrNull,
  heldBackBy: Type.Array(HeldBackItem, { description: "What keeps the watermark where it is" }),
  newsAgeMs: Type.Integer({
    minimum: 0,
    description: "The verdict rests on what the members said of themselves at most so long ago",
  }),
};

export const ConvergenceReport = Type.Union(
  [
    Type.Object({ verdict: Type.Literal("converged"), ...convergenceFacts }),
    Type.Object({
      verdict: Type.Literal("converging"),
      keys: Type.Union([Count, Type.Null()], {
        description:
          "About how many differ with the member that differs most; null when nothing is known yet",
      }),
      differing: Type.Array(Type.Object({ ...memberRef, keys: CountOrNull })),
      ...convergenceFacts,
    }),
    Type.Object({
      verdict: Type.Literal("partitioned"),
      sides: Type.Object({
        reachable: Type.Array(MemberRef, { description: "The answering node among them" }),
        unreachable: Type.Array(MemberRef, {
          description: "Suspect, dead, stopped, or silent for too long",
        }),
      }),
      ...convergenceFacts,
    }),
  ],
  { title: "ConvergenceReport" },
);
export type ConvergenceReport = Static<typeof ConvergenceReport>;

export const ReceiptQuery = Type.Object(
  {
    key: Type.String(),
    version: Type.String(),
    wait: Type.Optional(Type.Literal("all")),
    timeout: Type.Optional(Type.String()),
  },
  { title: "ReceiptQuery", additionalProperties: false },
);
export type ReceiptQuery = Static<typeof ReceiptQuery>;

export const ReceiptReport = Type.Object(
  {
    key: Type.String(),
    version: Type.String(),
    everywhere: Type.Boolean({ description: "Every counted member is among the holders" }),
    complete: Type.Boolean({
      description: "The watermark has passed the version, whose writer still counts",
    }),
    watermark: TimeOrNull,
    holders: Type.Array(MemberRef, { description: "They hold the version durably, or what covers it" }),
    lacking: Type.Array(MemberRef),
    unknown: Type.Array(MemberRef, { description: "They could not be asked" }),
  },
  { title: "ReceiptReport" },
);
export type ReceiptReport = Static<typeof ReceiptReport>;

export const DiffQuery = Type.Object(
  {
    peer: Type.String({ description: "An id, or a name that is unique" }),
    limit: Type.Optional(Type.String({ pattern: "^[1-9][0-9]{0,8}$" })),
  },
  { title: "DiffQuery", additionalProperties: false },
);
export type DiffQuery = Static<typeof DiffQuery>;

export const DiffReport = Type.Object(
  {
    peer: Type.String(),
    name: Type.String(),
    equal: Type.Boolean(),
    keys: Type.Integer({ minimum: 0, description: "That differ; writes on their way count" }),
    items: Type.Array(
      Type.Object({
        key: Type.String(),
        newer: Type.Union([Type.Literal("here"), Type.Literal("there"), Type.Literal("same")], {
          description: "same: the newest version is, and what stands beside it differs",
        }),
        here: Type.Union([Time, Type.Null()], {
          description: "Time of the newest version; null where nothing is held",
        }),
        there: Type.Union([Time, Type.Null()], { description: "May be up to 4 ms early" }),
      }),
      { description: "At most ?limit= of them" },
    ),
  },
  { title: "DiffReport" },
);
export type DiffReport = Static<typeof DiffReport>;

export const RepairRequest = Type.Object(
  {
    peer: Type.Optional(
      Type.String({ description: "An id, or a name that is unique; all live ones without" }),
    ),
  },
  { title: "RepairRequest", additionalProperties: false },
);
export type RepairRequest = Static<typeof RepairRequest>;

const moved = { keysSent: Count, keysReceived: Count, bytesSent: Count, bytesReceived: Count };
const peer = { peer: Type.String(), name: Type.String() };

/** One line of the stream that a repair answers with; `end` is the last, and only a stream with it is whole. */
export const RepairLine = Type.Union(
  [
    Type.Object({ event: Type.Literal("begin"), ...peer }),
    Type.Object({ event: Type.Literal("progress"), ...peer, ...moved, keysLeft: Count }),
    Type.Object({ event: Type.Literal("done"), ...peer, ...moved, equal: Type.Boolean() }),
    Type.Object({ event: Type.Literal("failed"), ...peer, code: Type.String() }),
    Type.Object({ event: Type.Literal("end"), members: Count, failed: Count, ...moved }),
  ],
  { title: "RepairLine" },
);
export type RepairLine = Static<typeof RepairLine>;

export const JoinRequest = Type.Object(
  { address: Type.String({ minLength: 1, maxLength: 261, description: "HOST:PORT of any member" }) },
  { title: "JoinRequest", additionalProperties: false },
);
export type JoinRequest = Static<typeof JoinRequest>;

export const JoinReport = Type.Object(
  {
    node: Type.String(),
    state: Type.Union([Type.Literal("joining"), Type.Literal("member")], {
      description: "joining goes on by itself; GET /readyz?verbose tells when it is done",
    }),
    members: Count,
  },
  { title: "JoinReport" },
);
export type JoinReport = Static<typeof JoinReport>;

export const LeaveRequest = Type.Object({}, { title: "LeaveRequest", additionalProperties: false });
export type LeaveRequest = Static<typeof LeaveRequest>;

export const LeaveReport = Type.Object(
  { node: Type.String(), left: Type.Literal(true) },
  { title: "LeaveReport" },
);
export type LeaveReport = Static<typeof LeaveReport>;

export const ForgetRequest = Type.Object(
  {
    node: Type.String({ description: "An id, or a name that is unique" }),
    confirm: Type.Optional(Type.Boolean()),
  },
  { title: "ForgetRequest", additionalProperties: false },
);
export type ForgetRequest = Static<typeof ForgetRequest>;

/** `completeThrough` and `heldThrough` also stand in the problem that asks for the confirmation. */
export const ForgetReport = Type.Object(
  {
    node: Type.String(),
    name: Type.String(),
    completeThrough: Type.Union([Time, Type.Null()], {
      description: "The member held every write of the others made up to then",
    }),
    heldThrough: Type.Union([Time, Type.Null()], {
      description:
        "Everything the member held up to then is held by the answering node; what it wrote or was given after it may be known to nobody else",
    }),
  },
  { title: "ForgetReport" },
);
export type ForgetReport = Static<typeof ForgetReport>;

export const SafeToStopReport = Type.Object(
  {
    safe: Type.Boolean(),
    reasons: Type.Array(
      Type.Object({
        code: Type.Union([
          Type.Literal("only_member"),
          Type.Literal("only_live_member"),
          Type.Literal("writes_unconfirmed"),
          Type.Literal("rumors_pending"),
          Type.Literal("acks_pending"),
        ]),
        detail: Type.String(),
      }),
      { description: "Why not; empty when it is safe" },
    ),
  },
  { title: "SafeToStopReport" },
);
export type SafeToStopReport = Static<typeof SafeToStopReport>;
