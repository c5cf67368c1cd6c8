import { type KeyRecord, type PeerReply, type PeerRequest, recordToTuple } from "@hearsay/core";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { encodePlain, type Plain } from "../plain.ts";
import { anyReply, anyRequest, nodeId, replies, requests } from "./arbitraries.contract.ts";
import {
  decodeReply,
  decodeRequest,
  encodeReply,
  encodeRequest,
  WIRE_VERSION,
  WIRE_VERSION_MIN,
  type WireFault,
} from "./envelope.ts";

const LIMIT_BYTES = 2 * 1024 * 1024;
const FROM = "n1~0123456789";
const TOMBSTONE: KeyRecord = {
  context: new Map([[FROM, 1]]),
  siblings: [{ kind: "tombstone", version: { time: 1, node: FROM } }],
};

const cluster = fc.string({ maxLength: 63 });

describe("what goes over the wire comes back unchanged", () => {
  test.each(Object.entries(requests))("request %s", (kind, arbitrary) => {
    fc.assert(
      fc.property(cluster, nodeId, arbitrary, (name, from, message) => {
        const decoded = decodeRequest(encodeRequest({ cluster: name, from, message }), LIMIT_BYTES);
        expect(message.kind).toBe(kind);
        expect(decoded).toEqual({ envelope: { version: WIRE_VERSION, cluster: name, from, message } });
      }),
      { numRuns: 50 },
    );
  });

  test.each(Object.entries(replies))("reply %s", (kind, arbitrary) => {
    fc.assert(
      fc.property(nodeId, arbitrary, (from, message) => {
        const decoded = decodeReply(encodeReply({ from, message }), LIMIT_BYTES);
        expect(message.kind).toBe(kind);
        expect(decoded).toEqual({ envelope: { version: WIRE_VERSION, from, message } });
      }),
      { numRuns: 50 },
    );
  });

  test("what was decoded shares no memory with the bytes it came in", () => {
    fc.assert(
      fc.property(anyRequest, (message) => {
        const bytes = encodeRequest({ cluster: "c", from: FROM, message });
        const decoded = decodeRequest(bytes, LIMIT_BYTES);
        bytes.fill(0xff);
        expect(decoded).toHaveProperty("envelope.message", message);
      }),
      { numRuns: 300 },
    );
  });
});

function faultOf(bytes: Uint8Array, maxBytes: number = LIMIT_BYTES): WireFault | undefined {
  const decoded = decodeRequest(bytes, maxBytes);
  return "fault" in decoded ? decoded.fault : undefined;
}

/** A request put together by hand: `[version, cluster, sender, [number, body]]`. */
function handmade(number: number, body: Plain, version: Plain = WIRE_VERSION): Uint8Array {
  return encodePlain([version, "c", FROM, [number, body]]);
}

describe("hostile bytes get a fault and no exception", () => {
  const bytesOfAny = fc.oneof(
    anyRequest.map((message) => encodeRequest({ cluster: "c", from: FROM, message })),
    anyReply.map((message) => encodeReply({ from: FROM, message })),
  );
  const mutation = fc.record({ at: fc.nat(), byte: fc.nat(255) });

  test("bytes of real messages, some of them changed", () => {
    let refused = 0;
    fc.assert(
      fc.property(bytesOfAny, fc.array(mutation, { minLength: 1, maxLength: 4 }), (bytes, mutations) => {
        const changed = Uint8Array.from(bytes);
        for (const { at, byte } of mutations) changed[at % changed.length] = byte;
        for (const decoded of [decodeRequest(changed, LIMIT_BYTES), decodeReply(changed, LIMIT_BYTES)]) {
          if ("fault" in decoded) {
            expect(["bad_message", "incompatible_version"]).toContain(decoded.fault.code);
            refused += 1;
          }
        }
      }),
      { numRuns: 5000 },
    );
    expect(refused).toBeGreaterThan(5000);
  });

  test("every proper prefix of a message, and a message with a byte more", () => {
    fc.assert(
      fc.property(anyRequest, fc.nat(), (message, cut) => {
        const bytes = encodeRequest({ cluster: "c", from: FROM, message });
        expect(faultOf(bytes.subarray(0, cut % bytes.length))).toHaveProperty("code", "bad_message");
        expect(faultOf(Uint8Array.from([...bytes, 0xc0]))).toHaveProperty("code", "bad_message");
      }),
      { numRuns: 500 },
    );
  });

  test("anything at all", () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 300 }), (bytes) => {
        expect(decodeRequest(bytes, LIMIT_BYTES)).toHaveProperty("fault");
        expect(decodeReply(bytes, LIMIT_BYTES)).toHaveProperty("fault");
      }),
      { numRuns: 2000 },
    );
  });

  test("a message over the limit is refused for its size alone, whatever is in it", () => {
    const bytes = encodeRequest({ cluster: "c", from: FROM, message: { kind: "fetch", key: "k" } });
    expect(faultOf(bytes, bytes.length)).toBeUndefined();
    expect(faultOf(bytes, bytes.length - 1)).toEqual({
      code: "message_too_large",
      maxBytes: bytes.length - 1,
    });
  });

  const member: Plain = [FROM, "127.0.0.1:7301", 0, 0, "", [1, 1], ""];
  const times = (length: number, item: Plain): Plain => Array.from({ length }, () => item);
  const ids = (length: number): Plain => Array.from({ length }, (_, i) => `x~${String(i).padStart(10, "0")}`);
  const update: Plain = [2, [FROM]];

  const recordOf = (key: string): Plain => [Buffer.from(key), recordToTuple(TOMBSTONE)];
  const wantIn = (bucket: number): Plain => [bucket, [Buffer.alloc(6)]];
  const transfer = ({ records = [], wants = [] }: { records?: Plain[]; wants?: Plain[] }): Plain => [
    1,
    [0, true],
    records,
    wants,
    [],
    true,
  ];

  test.each<[string, Uint8Array]>([
    ["an unknown kind", handmade(99, [])],
    ["a kind that is no number", encodePlain([WIRE_VERSION, "c", FROM, ["ping", []]])],
    ["a message that is no tuple", encodePlain([WIRE_VERSION, "c", FROM, "fetch"])],
    ["a cluster name that is too long", encodePlain([WIRE_VERSION, "c".repeat(64), FROM, [11, ["k"]]])],
    ["a sender that is no node id", encodePlain([WIRE_VERSION, "c", "n1", [11, ["k"]]])],
    ["a key sent as text", handmade(11, ["k"])],
    ["a key that is not UTF-8", handmade(11, [Uint8Array.from([0xc3])])],
    ["an empty key", handmade(11, [new Uint8Array(0)])],
    ["a key of 1,025 bytes", handmade(11, [new Uint8Array(1025).fill(0x61)])],
    ["a map", encodePlain([WIRE_VERSION, "c", FROM, [11, { key: "k" }]])],
    ["a zone that steers a terminal", handmade(1, [[FROM, "a:1", 1, 0, "z\u001b[2J", [1, 1], ""], "", []])],
    ["an address of two lines", handmade(1, [[FROM, "a:1\nb:1", 1, 0, "", [1, 1], ""], "", []])],
    ["a build that reads backwards", handmade(1, [[FROM, "a:1", 1, 0, "", [1, 1], "\u202e1"], "", []])],
    ["a negative time", handmade(12, [Buffer.from("k"), [-1, FROM]])],
    ["a fractional time", handmade(12, [Buffer.from("k"), [1.5, FROM]])],
    ["a root that is too short", handmade(6, [1, Buffer.alloc(8), [0, true], [0, []], Buffer.alloc(31)])],
    [
      "repeated keys in a vector",
      handmade(6, [1, Buffer.alloc(8), [0, true], [0, [FROM, 1, FROM, 2]], Buffer.alloc(32)]),
    ],
    ["a vector of half a pair", handmade(6, [1, Buffer.alloc(8), [0, true], [0, [FROM]], Buffer.alloc(32)])],
    ["more members than a table holds", handmade(3, [member, "", times(1025, member), []])],
    ["more retired ids than a page", handmade(3, [member, "", [], ids(257)])],
    ["more updates than a message carries", handmade(1, [member, "", times(67, update)])],
    ["more nodes than a walk asks about", handmade(7, [1, [times(2049, [1, 0, Buffer.alloc(128)])]])],
    ["more states than nodes", handmade(9, [times(1025, [FROM, 0, 0]), true])],
    [
      "one key's record twice in a transfer",
      handmade(8, transfer({ records: [recordOf("k"), recordOf("k")] })),
    ],
    ["a want of no hash", handmade(8, transfer({ wants: [[7, []]] }))],
    ["wants of one bucket twice", handmade(8, transfer({ wants: [wantIn(7), wantIn(7)] }))],
    ["more values than a node has", handmade(10, [[[FROM, 0, 0, times(33, ["k", 1, 1])]]])],
    ["a value that is a list", handmade(10, [[[FROM, 0, 0, [["k", [], 1]]]]])],
    ["a value that is no number", handmade(10, [[[FROM, 0, 0, [["k", Number.NaN, 1]]]]])],
    ["nesting deeper than any message", handmade(11, nested(40))],
    ["an extension type", withTail(handmade(11, null), [0xd4, 0x72, 0x40])],
    ["a date", withTail(handmade(11, null), [0xd6, 0xff, 0, 0, 0, 0])],
    ["a string of 4 GiB", withTail(handmade(11, null), [0xdb, 0xff, 0xff, 0xff, 0xff])],
    ["a list of 4 billion", withTail(handmade(11, null), [0xdd, 0xff, 0xff, 0xff, 0xff])],
  ])("%s", (_, bytes) => {
    expect(faultOf(bytes)).toHaveProperty("code", "bad_message");
  });

  test("the lists of real messages are full before they are refused", () => {
    expect(faultOf(handmade(3, [member, "", times(1024, member), ids(256)]))).toBeUndefined();
    expect(faultOf(handmade(1, [member, "", times(66, update)]))).toBeUndefined();
    expect(faultOf(handmade(9, [times(1024, [FROM, 0, 0]), true]))).toBeUndefined();
  });

  test("a transfer may bring records of several keys, and name wants of several buckets", () => {
    const body = transfer({ records: [recordOf("k"), recordOf("l")], wants: [wantIn(7), wantIn(8)] });
    expect(faultOf(handmade(8, body))).toBeUndefined();
  });

  test("two million empty lists cost no more than the scan up to the limit", () => {
    const bytes = new Uint8Array(LIMIT_BYTES).fill(0x90);
    bytes.set([0xdd, 0, 0x1f, 0xff, 0xfb]);
    expect(faultOf(bytes)).toEqual({ code: "bad_message", what: "too_many_items at byte 0" });
  });
});

function nested(depth: number): Plain {
  let plain: Plain = 0;
  for (let i = 0; i < depth; i++) plain = [plain];
  return plain;
}

/** The bytes with their last one, a nil, replaced. */
function withTail(bytes: Uint8Array, tail: readonly number[]): Uint8Array {
  return Uint8Array.from([...bytes.subarray(0, -1), ...tail]);
}

describe("mixed versions", () => {
  test("versions below and above the range are refused, with the version and before anything else is read", () => {
    for (const version of [WIRE_VERSION_MIN - 1, WIRE_VERSION + 1, 1e9]) {
      const fault = { code: "incompatible_version", version };
      expect(faultOf(handmade(11, [Buffer.from("k")], version))).toEqual(fault);
      expect(faultOf(encodePlain([version]))).toEqual(fault);
      expect(decodeReply(encodePlain([version, "whatever"]), LIMIT_BYTES)).toEqual({ fault });
    }
    for (const version of [null, "1", Number.NaN, 1.5]) {
      expect(faultOf(handmade(11, [Buffer.from("k")], version))).toHaveProperty("code", "bad_message");
    }
  });

  test("fields that a newer node adds at the end, at any level, are ignored by an older one", () => {
    const known = encodeRequest({
      cluster: "c",
      from: FROM,
      message: { kind: "holds", key: "k", version: { time: 7, node: FROM } },
    });
    const extended = encodePlain([
      WIRE_VERSION,
      "c",
      FROM,
      [12, [Buffer.from("k"), [7, FROM, "new"], ["new", 1]], "new"],
      ["new"],
    ]);
    expect(decodeRequest(extended, LIMIT_BYTES)).toEqual(decodeRequest(known, LIMIT_BYTES));
  });

  test("fields that an older node does not know take their defaults", () => {
    const rumors = handmade(5, [[0, true], [], [], null, false]);
    const expected: PeerRequest = {
      kind: "rumors",
      standing: { floor: 0, complete: true },
      rumors: [],
      wants: [],
      answers: undefined,
      pull: false,
      updates: [],
    };
    expect(decodeRequest(rumors, LIMIT_BYTES)).toHaveProperty("envelope.message", expected);
    const reply: PeerReply = {
      kind: "rumors-reply",
      standing: { floor: 0, complete: true },
      turn: 3,
      answers: [],
      rumors: [],
      updates: [],
    };
    const older = encodePlain([WIRE_VERSION, FROM, [6, [[0, true], 3, [], []]]]);
    expect(decodeReply(older, LIMIT_BYTES)).toHaveProperty("envelope.message", reply);
  });

  test("of who let it in, an older newcomer says nothing, nor an older introducer of who it is", () => {
    const limits = [1, 1, 1, 1, Buffer.alloc(8)];
    const self = [FROM, "a:1", 1, 0, "", [1, 1], ""];
    // One build named who had let it in, alone.
    for (const one of [[], [null], [FROM]]) {
      const hello = handmade(13, [limits, [FROM], true, ...one]);
      expect(decodeRequest(hello, LIMIT_BYTES)).toHaveProperty("envelope.message.boundTo", []);
      const table = handmade(3, [self, "", [self], [], true, ...one]);
      expect(decodeRequest(table, LIMIT_BYTES)).toHaveProperty("envelope.message.boundTo", []);
    }
    const welcome = encodePlain([WIRE_VERSION, FROM, [17, [limits, 7, 0, 0, true, false, true]]]);
    expect(decodeReply(welcome, LIMIT_BYTES)).toHaveProperty("envelope.message.by", null);
  });

  test("a field that was always there may not be missing", () => {
    expect(faultOf(handmade(5, [[0, true], [], [], null]))).toEqual({
      code: "bad_message",
      what: "expected the field pull",
    });
  });
});
