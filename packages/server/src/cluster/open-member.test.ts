import {
  BOUND_TO_MAX,
  CONTEXT_MAX_NODES,
  type KeyRecord,
  type Member,
  type NodeId,
  type PeerRequest,
  RETIRED_PAGE,
  SWIM_DEFAULTS,
  WALK_MAX_NODES,
} from "@hearsay/core";
import { encodeRequest } from "@hearsay/wire";
import { expect, test } from "vitest";
import { loadConfig } from "../config/load.ts";
import { hardLimit } from "./open-member.ts";

const longest = (i: number): NodeId => `${String(i).padStart(63, "n")}~0123456789`;
const member = (i: number): Member => ({
  id: longest(i),
  address: "a".repeat(261),
  generation: Number.MAX_SAFE_INTEGER,
  state: "alive",
  zone: "z".repeat(63),
  protocol: { min: 0, max: 65_535 },
  build: "b".repeat(63),
});
const many = <T>(count: number, make: (i: number) => T): T[] =>
  Array.from({ length: count }, (_, i) => make(i));

const tombstone: KeyRecord = {
  context: new Map(many(CONTEXT_MAX_NODES, (i) => [longest(i), Number.MAX_SAFE_INTEGER - i])),
  siblings: [{ kind: "tombstone", version: { time: 1, node: longest(0) } }],
};

test.each<[string, PeerRequest]>([
  [
    "a member table",
    {
      kind: "push-pull",
      from: member(0),
      to: "",
      members: many(SWIM_DEFAULTS.membersMax, member),
      retired: many(RETIRED_PAGE, longest),
      belongs: true,
      boundTo: many(BOUND_TO_MAX, longest),
    },
  ],
  [
    "a comparison",
    {
      kind: "exchange-compare",
      session: 1,
      compare: {
        nodes: many(WALK_MAX_NODES, (index) => ({ level: 3, index, children: new Uint8Array(128) })),
      },
    },
  ],
  [
    "a record's context",
    {
      kind: "exchange-transfer",
      session: 1,
      standing: { floor: 0, complete: true },
      records: [{ key: "k", record: tombstone }],
      wants: [],
      refused: [],
      final: true,
    },
  ],
])("%s fits a message, however small the limits are set", (_, message) => {
  const { settings } = loadConfig({ flags: {}, environment: {}, file: undefined });
  const smallest = {
    ...settings,
    "gossip.maxMessageBytes": 8192,
    "limits.maxValueBytes": 1,
    "conflicts.maxSiblings": 1,
  };
  const bytes = encodeRequest({ cluster: "c".repeat(63), from: longest(0), message });
  expect(bytes.length).toBeLessThan(hardLimit(smallest));
});
