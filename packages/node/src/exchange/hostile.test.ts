import {
  type ExchangeReply,
  type ExchangeRequest,
  encodeUtf8,
  hlcFromMs,
  type KeyRecord,
  type NodeId,
} from "@hearsay/core";
import { describe, expect, test } from "vitest";
import { PeerFault } from "../peer-fault.ts";
import { compareReplicas } from "./compare.ts";
import { exchange, knows, pair } from "./dialogue.contract.ts";
import { type MemoryReplica, START_MS } from "./memory-replica.contract.ts";
import { EXCHANGE_LIMITS } from "./session.ts";

describe("a peer that does not keep to the rules", () => {
  async function asking(): Promise<MemoryReplica> {
    const [a] = await pair();
    for (let i = 0; i < 10; i++) await a.write(`key-${i}`, "v");
    return a;
  }

  const standing = { floor: 0, complete: true };
  const offer = { time: 1, vector: new Map() };
  const children = new Uint8Array(128).fill(1);
  const differs: ExchangeReply = { kind: "exchange-differs", standing, offer, children, wallMs: null };
  const transferred: ExchangeReply = {
    kind: "exchange-transferred",
    standing,
    records: [],
    leftOut: [],
    refused: [],
    staying: true,
  };
  const nothing: ExchangeReply = {
    kind: "exchange-compared",
    reply: { nodes: [], buckets: [], leftOut: [] },
  };

  /** Leads the walk to one bucket, below the first child of the first node asked about, and lists these entries in it. */
  function listing(request: ExchangeRequest, entries: Uint8Array): ExchangeReply | undefined {
    if (request.kind === "exchange-start") return differs;
    if (request.kind !== "exchange-compare") return undefined;
    const [node] = request.compare.nodes;
    const index = (node?.index ?? 0) * 16;
    const [nodes, buckets] =
      node?.level === 1 ? [[{ level: 2, index, children }], []] : [[], [{ bucket: index, entries }]];
    return { kind: "exchange-compared", reply: { nodes, buckets, leftOut: [] } };
  }
  const oneRecord = new Uint8Array(19).fill(7);

  test.each<[string, (request: ExchangeRequest) => ExchangeReply]>([
    ["answers a start with something else", () => transferred],
    ["has no session from the start", () => ({ kind: "exchange-void" })],
    ["says it differs with hashes of a wrong length", () => ({ ...differs, children: new Uint8Array(8) })],
    ["answers a comparison with something else", () => differs],
    [
      "names nodes nobody asked about",
      ({ kind }) =>
        kind === "exchange-start"
          ? differs
          : {
              kind: "exchange-compared",
              reply: { nodes: [{ level: 2, index: 9999, children }], buckets: [], leftOut: [] },
            },
    ],
    [
      "leaves out everything it is asked about",
      ({ kind }) =>
        kind === "exchange-start"
          ? differs
          : { kind: "exchange-compared", reply: { nodes: [], buckets: [], leftOut: [...Array(16).keys()] } },
    ],
    ["lists entries that are none", (request) => listing(request, new Uint8Array(5)) ?? transferred],
    ["answers a transfer with something else", ({ kind }) => (kind === "exchange-start" ? differs : nothing)],
  ])("and %s ends the exchange, which proves nothing", async (_, answer) => {
    const a = await asking();
    const peer: NodeId = "liar~0123456789";
    const fault = await exchange(a, peer, async (request) => answer(request)).catch(
      (error: unknown) => error,
    );
    expect(fault).toBeInstanceOf(PeerFault);
    expect(fault).toHaveProperty("reason.code", expect.stringMatching(/^(exchange_broken|bad_message)$/));
    expect(a.keeper.completeness.state.vector.size).toBe(0);
    expect(a.contents().size).toBe(10);
  });

  test("and lists what it then leaves out for ever is given up at once", async () => {
    const a = await asking();
    let transfers = 0;
    const fault = await exchange(a, "liar~0123456789", async (request) => {
      const listed = listing(request, oneRecord);
      if (listed !== undefined) return listed;
      transfers += 1;
      const leftOut = request.kind === "exchange-transfer" ? request.wants : [];
      return { ...transferred, leftOut };
    }).catch((error: unknown) => error);
    expect(fault).toMatchObject({ reason: { code: "exchange_broken", what: "nothing was sent" } });
    expect(transfers).toBe(1);
  });

  test("and sends something else for what it leaves out, without end, is given up after so many transfers", async () => {
    const a = await asking();
    let made = 0;
    const node: NodeId = "liar~0123456789";
    const limits = { ...EXCHANGE_LIMITS, maxTransfers: 50 };
    const fault = await exchange(
      a,
      node,
      async (request) => {
        const listed = listing(request, oneRecord);
        if (listed !== undefined) return listed;
        made += 1;
        const version = { time: hlcFromMs(START_MS) + made, node };
        const record: KeyRecord = {
          context: new Map([[node, version.time]]),
          siblings: [{ kind: "value", version, bytes: encodeUtf8("x"), contentType: "", expiresAtMs: null }],
        };
        const leftOut = request.kind === "exchange-transfer" ? request.wants : [];
        return { ...transferred, records: [{ key: `made-up-${made}`, record }], leftOut };
      },
      limits,
    ).catch((error: unknown) => error);
    expect(fault).toMatchObject({ reason: { code: "exchange_broken", what: "no end" } });
    expect([made, knows(a, a)]).toEqual([50, 0]);
    expect(a.keeper.completeness.state.vector.size).toBe(0);
  });

  test("and sends and leaves out what nobody asked for makes a dry run neither longer nor larger", async () => {
    const a = await asking();
    const time = hlcFromMs(START_MS);
    const node: NodeId = "liar~0123456789";
    const record: KeyRecord = {
      context: new Map([[node, time]]),
      siblings: [{ kind: "tombstone", version: { time, node } }],
    };
    const wanted: number[] = [];
    const liar = async (request: ExchangeRequest): Promise<ExchangeReply> => {
      const listed = listing(request, oneRecord);
      if (listed !== undefined) return listed;
      if (request.kind === "exchange-transfer") wanted.push(request.wants.length);
      return {
        ...transferred,
        records: ["1", "2", "3"].map((key) => ({ key, record })),
        leftOut: Array.from({ length: 100 }, (_, bucket) => ({ bucket, keyHashes: ["0".repeat(12)] })),
      };
    };
    const { differences } = await compareReplicas(a.replica, EXCHANGE_LIMITS, {
      session: 1,
      ask: liar,
      limit: 2,
    }).then((found) => found ?? { differences: [] });
    expect([differences.length, wanted]).toEqual([2, [1, 0]]);
  });
});
