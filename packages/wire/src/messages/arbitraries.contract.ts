/** Every message there is, at random, made of the core's own types. */
import {
  encodeUtf8,
  HLC_TIME_MAX,
  type KeyRecord,
  type LoadedRumor,
  type Member,
  type NodeId,
  type PeerReply,
  type PeerRequest,
  type Sibling,
  type Standing,
  TREE_ARITY,
  type Update,
  type Version,
  WALK_HASH_BYTES,
} from "@hearsay/core";
import fc, { type Arbitrary } from "fast-check";

type Requests = { readonly [K in PeerRequest["kind"]]: Arbitrary<Extract<PeerRequest, { kind: K }>> };
type Replies = { readonly [K in PeerReply["kind"]]: Arbitrary<Extract<PeerReply, { kind: K }>> };

export const nodeId: Arbitrary<NodeId> = fc
  .tuple(
    fc.stringMatching(/^[A-Za-z0-9](?:[A-Za-z0-9._-]{0,9}[A-Za-z0-9])?$/),
    fc.stringMatching(/^[0-9a-z]{10}$/),
  )
  .map(([name, incarnation]) => `${name}~${incarnation}`);

const time = fc.oneof(fc.constantFrom(0, 1, HLC_TIME_MAX), fc.integer({ min: 0, max: HLC_TIME_MAX }));
const count = fc.maxSafeNat();
const key = fc
  .string({ minLength: 1, maxLength: 12, unit: "binary" })
  .filter((text) => text.isWellFormed() && encodeUtf8(text).length <= 1024);
const version: Arbitrary<Version> = fc.record({ time, node: nodeId });
const versions = fc.array(version, { maxLength: 3 });
const digits = (length: number): Arbitrary<string> =>
  fc
    .uint8Array({ minLength: length / 2, maxLength: length / 2 })
    .map((bytes) => Buffer.from(bytes).toString("hex"));
const bytesOf = (length: number): Arbitrary<Uint8Array> =>
  fc.uint8Array({ minLength: length, maxLength: length });

/** Siblings newest first, each covered by the context, as every record's are. */
const keyRecord: Arbitrary<KeyRecord> = fc
  .tuple(
    fc.uniqueArray(fc.tuple(nodeId, fc.integer({ min: 1, max: HLC_TIME_MAX })), {
      minLength: 1,
      maxLength: 4,
      selector: ([node]) => node,
    }),
    fc.array(
      fc.record({
        bytes: fc.option(fc.uint8Array({ maxLength: 20 })),
        contentType: fc.string({ maxLength: 20 }),
        expiresAtMs: fc.option(count),
      }),
      { minLength: 1, maxLength: 4 },
    ),
  )
  .map(([context, contents]) => {
    const siblings = context
      .slice(0, contents.length)
      .sort(([a, aTime], [b, bTime]) => bTime - aTime || (a < b ? 1 : -1))
      .map(([node, at], i): Sibling => {
        const { bytes, contentType, expiresAtMs } = contents[i] ?? fail();
        const of = { time: at, node };
        return bytes === null
          ? { kind: "tombstone", version: of }
          : { kind: "value", version: of, bytes, contentType, expiresAtMs };
      });
    const [first, ...rest] = siblings;
    return { context: new Map(context), siblings: [first ?? fail(), ...rest] };
  });

function fail(): never {
  throw new Error("there is at least one of them");
}

const keyedRecords = fc.uniqueArray(fc.record({ key, record: keyRecord }), {
  maxLength: 3,
  selector: (keyed) => keyed.key,
});
const standing: Arbitrary<Standing> = fc.record({ floor: time, complete: fc.boolean() });
const vector = fc
  .uniqueArray(fc.tuple(nodeId, time), { maxLength: 4, selector: ([node]) => node })
  .map((entries) => new Map(entries));
const offer = fc.record({ time, vector });

const word = fc.stringMatching(/^[!-~]{0,30}$/);
const member: Arbitrary<Member> = fc.record({
  id: nodeId,
  address: word,
  generation: count,
  state: fc.constantFrom("alive" as const, "suspect" as const, "dead" as const, "stopped" as const),
  zone: word,
  protocol: fc.record({ min: fc.nat(), max: fc.nat() }),
  build: word,
});
const update: Arbitrary<Update> = fc.oneof(
  fc.record(
    { kind: fc.constant("member" as const), member, accuser: nodeId },
    { requiredKeys: ["kind", "member"] },
  ),
  fc.record({ kind: fc.constant("retired" as const), id: nodeId }),
);
const updates = fc.array(update, { maxLength: 3 });
const addressee = fc.oneof(nodeId, fc.constant(""));
const addressed = { from: member, to: addressee };
const members = fc.array(member, { maxLength: 3 });
const ids = fc.array(nodeId, { maxLength: 4 });

const rumor = { key, versions, sizeBytes: count, hops: fc.nat(), mailed: fc.boolean() };
const loaded: Arbitrary<readonly LoadedRumor[]> = fc.array(
  fc.record({ ...rumor, inline: fc.boolean(), record: fc.option(keyRecord) }),
  { maxLength: 3 },
);
const answers = fc.array(
  fc.record({
    key,
    verdict: fc.constantFrom(
      "new" as const,
      "known" as const,
      "wanted" as const,
      "promised" as const,
      "refused" as const,
    ),
  }),
  { maxLength: 3 },
);

const walkNode = fc.record({
  level: fc.nat(4),
  index: fc.nat(65_535),
  children: bytesOf(TREE_ARITY * WALK_HASH_BYTES),
});
const wants = fc.uniqueArray(
  fc.record({ bucket: fc.nat(65_535), keyHashes: fc.array(digits(12), { minLength: 1, maxLength: 3 }) }),
  { maxLength: 3, selector: ({ bucket }) => bucket },
);
const refused = fc.array(fc.record({ key, versions }), { maxLength: 2 });

const transferred = { standing, records: keyedRecords, leftOut: wants, refused, staying: fc.boolean() };

const digests = fc.array(fc.record({ node: nodeId, generation: count, maxVersion: count }), { maxLength: 3 });
const deltas = fc.array(
  fc.record({
    node: nodeId,
    generation: count,
    after: count,
    entries: fc.array(
      fc.record({
        key: fc.string({ maxLength: 8 }),
        value: fc.oneof(
          fc.string({ maxLength: 12 }),
          fc.constant("€".repeat(1024)),
          fc.double({ noNaN: true, noDefaultInfinity: true }).filter((n) => !Object.is(n, -0)),
          fc.constant(null),
        ),
        version: count,
      }),
      { maxLength: 3 },
    ),
  }),
  { maxLength: 3 },
);

const limits = fc.record({
  maxValueBytes: count,
  maxSiblings: count,
  maxMessageBytes: count,
  tombstoneRetentionMs: count,
  digestKeyId: digits(16),
});

const kind = <K extends string>(name: K): { readonly kind: Arbitrary<K> } => ({ kind: fc.constant(name) });

export const requests: Requests = {
  ping: fc.record({ ...kind("ping"), ...addressed, updates }),
  "ping-req": fc.record({ ...kind("ping-req"), ...addressed, target: nodeId, waitMs: count, updates }),
  "push-pull": fc.record({
    ...kind("push-pull"),
    ...addressed,
    members,
    retired: ids,
    belongs: fc.boolean(),
    boundTo: ids,
  }),
  "retired-page": fc.record({ ...kind("retired-page"), ...addressed, after: addressee, ids }),
  rumors: fc.record({
    ...kind("rumors"),
    standing,
    rumors: loaded,
    wants: fc.array(fc.record(rumor), { maxLength: 3 }),
    answers: fc.option(fc.record({ turn: count, list: answers }), { nil: undefined }),
    pull: fc.boolean(),
    updates,
  }),
  "exchange-start": fc.record({
    ...kind("exchange-start"),
    session: count,
    tableHash: digits(16),
    standing,
    offer,
    root: bytesOf(32),
  }),
  "exchange-compare": fc.record({
    ...kind("exchange-compare"),
    session: count,
    compare: fc.record({ nodes: fc.array(walkNode, { maxLength: 3 }) }),
  }),
  "exchange-transfer": fc.record({
    ...kind("exchange-transfer"),
    session: count,
    standing,
    records: keyedRecords,
    wants,
    refused,
    final: fc.boolean(),
  }),
  "exchange-rest": fc.record({ ...kind("exchange-rest"), session: count, from: count }),
  "state-digest": fc.record({ ...kind("state-digest"), digests, whole: fc.boolean() }),
  "state-delta": fc.record({ ...kind("state-delta"), deltas }),
  fetch: fc.record({ ...kind("fetch"), key }),
  holds: fc.record({ ...kind("holds"), key, version }),
  hello: fc.record({ ...kind("hello"), limits, knows: ids, belongs: fc.boolean(), boundTo: ids }),
};

export const replies: Replies = {
  ack: fc.record({ ...kind("ack"), from: member, updates }),
  nack: fc.record({ ...kind("nack"), from: member, updates }),
  state: fc.record({
    ...kind("state"),
    from: member,
    members,
    retired: ids,
    tableHash: digits(16),
    belongs: fc.boolean(),
  }),
  "retired-ids": fc.record({ ...kind("retired-ids"), from: member, ids }),
  refused: fc.record(
    {
      ...kind("refused"),
      code: fc.constantFrom(
        "retired" as const,
        "name_taken" as const,
        "not_me" as const,
        "own_id" as const,
        "other_cluster" as const,
        "protocol_mismatch" as const,
        "table_full" as const,
        "malformed" as const,
      ),
      holder: fc.record({ id: nodeId, address: word }),
    },
    { requiredKeys: ["kind", "code"] },
  ),
  "rumors-reply": fc.record({
    ...kind("rumors-reply"),
    standing,
    turn: count,
    answers,
    rumors: loaded,
    updates,
  }),
  "exchange-tables-differ": fc.record(kind("exchange-tables-differ")),
  "exchange-equal": fc.record({
    ...kind("exchange-equal"),
    standing,
    offer,
    staying: fc.boolean(),
    wallMs: fc.option(count),
  }),
  "exchange-differs": fc.record({
    ...kind("exchange-differs"),
    standing,
    offer,
    children: bytesOf(TREE_ARITY * WALK_HASH_BYTES),
    wallMs: fc.option(count),
  }),
  "exchange-compared": fc.record({
    ...kind("exchange-compared"),
    reply: fc.record({
      nodes: fc.array(walkNode, { maxLength: 3 }),
      buckets: fc.array(fc.record({ bucket: fc.nat(65_535), entries: fc.uint8Array({ maxLength: 57 }) }), {
        maxLength: 3,
      }),
      leftOut: fc.array(fc.nat(2047), { maxLength: 3 }),
    }),
  }),
  "exchange-transferred": fc.record({ ...kind("exchange-transferred"), ...transferred }),
  "exchange-more": fc.record({ ...kind("exchange-more"), ...transferred, next: count }),
  "exchange-void": fc.record(kind("exchange-void")),
  "state-answer": fc.record({ ...kind("state-answer"), digests, deltas }),
  "state-done": fc.record(kind("state-done")),
  fetched: fc.record({ ...kind("fetched"), standing, record: fc.option(keyRecord) }),
  "holds-reply": fc.record({ ...kind("holds-reply"), holds: fc.boolean() }),
  welcome: fc.record({
    ...kind("welcome"),
    limits,
    time,
    floor: time,
    watermark: time,
    recorded: fc.boolean(),
    newcomer: fc.boolean(),
    related: fc.boolean(),
    by: fc.option(nodeId),
  }),
};

export const anyRequest: Arbitrary<PeerRequest> = fc.oneof(...Object.values(requests));
export const anyReply: Arbitrary<PeerReply> = fc.oneof(...Object.values(replies));
