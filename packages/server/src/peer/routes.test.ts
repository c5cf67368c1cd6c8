/** The door for other nodes, over real sockets: what is refused gets its code, a count and a rare line in the log. */
import { request as httpRequest } from "node:http";
import type { NodeId, PeerReply, PeerRequest } from "@hearsay/core";
import { PeerFault, type PeerFaultReason } from "@hearsay/node";
import { decodeReply, encodePlain, encodeRequest, WIRE_VERSION } from "@hearsay/wire";
import { afterEach, expect, test } from "vitest";
import { buildApp } from "../http/app.ts";
import type { ByteBudget } from "../http/body.ts";
import { harness, listen } from "../testing/harness.ts";
import { AUTH_HEADER, Authentication } from "./authentication.ts";
import { RefusalLog } from "./refusal-log.ts";
import type { PeerPorts } from "./routes.ts";

const SECRET = "the secret of this cluster";
const CLUSTER = "orchard";
const SELF: NodeId = "n1~0123456789";
const PEER: NodeId = "n2~0123456789";
const NOW_MS = 1_000_000;
const MAX_BYTES = 4096;
const PATH = "/peer/fetch";
const FETCH: PeerRequest = { kind: "fetch", key: "k" };

interface Door {
  readonly port: number;
  readonly served: { readonly from: NodeId; readonly message: PeerRequest }[];
  readonly ports: PeerPorts;
  readonly lines: unknown[];
  /** Of the bodies that clients send. */
  readonly clients: ByteBudget;
}

const closing: (() => Promise<void>)[] = [];
afterEach(async () => {
  for (const close of closing.splice(0)) await close();
});

async function door(serve: (message: PeerRequest) => PeerReply = () => fetched): Promise<Door> {
  const base = await harness();
  const served: Door["served"] = [];
  const lines: unknown[] = [];
  const log = {
    info: () => undefined,
    error: () => undefined,
    warn: (event: string, facts: object) => lines.push({ event, ...facts }),
  };
  const ports: PeerPorts = {
    ...base.services.peers,
    cluster: CLUSTER,
    authentication: signer(),
    limit: { maxBytes: MAX_BYTES, knob: "gossip.maxMessageBytes" },
    refusals: new RefusalLog(log, "peer_message_refused", 10_000, () => 0),
    self: () => SELF,
    serve: async (from, message) => {
      served.push({ from, message });
      return serve(message);
    },
  };
  const app = await buildApp({ ...base.services, peers: ports });
  closing.push(async () => {
    await app.close();
    await base.close();
  });
  const { port } = await listen(app);
  return { port, served, ports, lines, clients: base.services.budget };
}

const fetched: PeerReply = { kind: "fetched", standing: { floor: 7, complete: true }, record: null };

function signer(secret: string = SECRET, nowMs: number = NOW_MS): Authentication {
  return new Authentication({ secrets: [secret], windowMs: 30_000, maxNonces: 1000, nowMs: () => nowMs });
}

interface Answered {
  readonly status: number;
  readonly signature: string | undefined;
  readonly body: Buffer;
}

/** @param options.chunked sends the body without saying how long it is */
function post(
  port: number,
  body: Uint8Array,
  header: string | undefined,
  options: { readonly path?: string; readonly chunked?: boolean } = {},
): Promise<Answered> {
  return new Promise((resolve, reject) => {
    const headers = {
      "content-type": "application/msgpack",
      ...(header === undefined ? {} : { [AUTH_HEADER]: header }),
      ...(options.chunked === true ? {} : { "content-length": body.length }),
    };
    const path = options.path ?? PATH;
    const call = httpRequest({ host: "127.0.0.1", port, method: "POST", path, headers }, (response) => {
      const chunks: Buffer[] = [];
      response.on("data", (chunk: Buffer) => chunks.push(chunk));
      response.on("end", () => {
        const signature = response.headers[AUTH_HEADER];
        resolve({
          status: response.statusCode ?? 0,
          signature: typeof signature === "string" ? signature : undefined,
          body: Buffer.concat(chunks),
        });
      });
      response.on("error", reject);
    });
    call.on("error", reject);
    call.end(body);
  });
}

function codeOf({ body }: Answered): unknown {
  const problem: unknown = JSON.parse(body.toString());
  return typeof problem === "object" && problem !== null && "code" in problem ? problem.code : undefined;
}

const encoded = encodeRequest({ cluster: CLUSTER, from: PEER, message: FETCH });

test("a message is served while clients' bodies take all the room that they have", async () => {
  const { port, clients } = await door();
  let bytes = 1024 ** 3;
  for (; bytes >= 1; bytes /= 2) while (clients.take(bytes));
  const { status } = await post(port, encoded, signer().signRequest(PATH, encoded).header);
  expect(status).toBe(200);
});

test("a signed message is served, and its reply is signed for it", async () => {
  const { port, served, ports } = await door();
  const { header, nonce } = signer().signRequest(PATH, encoded);
  const { status, signature, body } = await post(port, encoded, header);
  expect(status).toBe(200);
  expect(signer().checkReply(nonce, signature, body)).toBeUndefined();
  expect(decodeReply(body, MAX_BYTES)).toHaveProperty("envelope", {
    version: WIRE_VERSION,
    from: SELF,
    message: fetched,
  });
  expect(served).toEqual([{ from: PEER, message: FETCH }]);
  expect(ports.traffic.counts().get("fetch")).toEqual({
    messages: 1,
    sentBytes: body.length,
    receivedBytes: encoded.length,
  });
  expect([...ports.refusals.counts()]).toEqual([]);
});

const signed = (body: Uint8Array, by: Authentication = signer()): (() => [Uint8Array, string?]) => {
  return () => {
    const { header } = by.signRequest(PATH, body);
    return header === undefined ? [body] : [body, header];
  };
};

test.each<[string, string, number, () => [Uint8Array, string?]]>([
  ["without a signature", "auth_missing", 401, () => [encoded]],
  ["with something else for a signature", "auth_missing", 401, () => [encoded, "a.b.c"]],
  ["under another secret", "auth_wrong", 401, signed(encoded, signer("the secret of another one"))],
  ["from too far in the past", "auth_outside_window", 401, signed(encoded, signer(SECRET, NOW_MS - 30_001))],
  [
    "from too far in the future",
    "auth_outside_window",
    401,
    signed(encoded, signer(SECRET, NOW_MS + 30_001)),
  ],
  [
    "of another cluster",
    "wrong_cluster",
    403,
    signed(encodeRequest({ cluster: "vineyard", from: PEER, message: FETCH })),
  ],
  [
    "of another wire version",
    "incompatible_version",
    409,
    signed(encodePlain([WIRE_VERSION + 1, CLUSTER, PEER, [11, [Buffer.from("k")]]])),
  ],
  ["of bytes that are no message", "bad_message", 400, signed(Buffer.from("no message"))],
  ["of nothing", "bad_message", 400, signed(new Uint8Array(0))],
  ["of an unknown kind", "bad_message", 400, signed(encodePlain([WIRE_VERSION, CLUSTER, PEER, [99, []]]))],
  ["over the limit", "message_too_large", 413, signed(new Uint8Array(MAX_BYTES + 1))],
])(
  "a message %s is refused as %s, counted, logged once and served to nobody",
  async (_, code, status, make) => {
    const { port, served, ports, lines } = await door();
    const first = await post(port, ...spread(make()));
    expect([first.status, codeOf(first)]).toEqual([status, code]);
    await post(port, ...spread(make()));
    expect([...ports.refusals.counts()]).toEqual([[code, 2]]);
    expect(lines).toEqual([{ event: "peer_message_refused", code, peer: "127.0.0.1", count: 1 }]);
    expect(served).toEqual([]);
    expect(ports.budget.used).toBe(0);
  },
);

function spread([body, header]: [Uint8Array, string?]): [Uint8Array, string | undefined] {
  return [body, header];
}

test("a message that turns out over the limit only while it comes is refused too", async () => {
  const { port, served, ports } = await door();
  const answered = await post(port, new Uint8Array(MAX_BYTES + 1), "", { chunked: true });
  expect([answered.status, codeOf(answered)]).toEqual([413, "message_too_large"]);
  expect([served, ports.budget.used]).toEqual([[], 0]);
});

test("a message that was recorded and is sent again is refused and served once", async () => {
  const { port, served, ports } = await door();
  const { header } = signer().signRequest(PATH, encoded);
  expect((await post(port, encoded, header)).status).toBe(200);
  const again = await post(port, encoded, header);
  expect([again.status, codeOf(again)]).toEqual([401, "replayed"]);
  expect(served).toHaveLength(1);
  expect([...ports.refusals.counts()]).toEqual([["replayed", 1]]);
});

test("a signature for one path is none for another", async () => {
  const { port, served } = await door();
  const { header } = signer().signRequest(PATH, encoded);
  expect(codeOf(await post(port, encoded, header, { path: "/peer/hello" }))).toBe("auth_wrong");
  expect(served).toEqual([]);
});

test.each<[PeerFaultReason, string, number]>([
  [{ code: "unknown_member" }, "unknown_member", 409],
  [{ code: "other_cluster" }, "other_cluster", 409],
  [{ code: "retired" }, "retired", 403],
  [{ code: "clock_drift", aheadMs: 60_000, maxDriftMs: 10_000 }, "clock_drift", 409],
  [{ code: "busy" }, "peer_busy", 503],
  [{ code: "bad_message", what: "compare request" }, "bad_message", 400],
  [{ code: "exchange_broken", what: "no end" }, "bad_message", 400],
])(
  "what the node refuses as $code goes back signed, counted and logged under the sender's id",
  async (reason, code, status) => {
    const { port, ports, lines } = await door(() => {
      throw new PeerFault(reason);
    });
    const { header, nonce } = signer().signRequest(PATH, encoded);
    const answered = await post(port, encoded, header);
    expect([answered.status, codeOf(answered)]).toEqual([status, code]);
    // A peer sends none.
    expect(answered.body.toString()).not.toContain("context");
    expect(signer().checkReply(nonce, answered.signature, answered.body)).toBeUndefined();
    expect([...ports.refusals.counts()]).toEqual([[code, 1]]);
    expect(lines).toEqual([{ event: "peer_message_refused", code, peer: PEER, count: 1 }]);
  },
);

test("trouble of this node's own is no refusal, and is not signed", async () => {
  const { port, ports } = await door(() => {
    throw new Error("disk on fire");
  });
  const { header } = signer().signRequest(PATH, encoded);
  const answered = await post(port, encoded, header);
  expect([answered.status, codeOf(answered), answered.signature]).toEqual([500, "internal", undefined]);
  expect(answered.body.toString()).not.toContain("fire");
  expect([...ports.refusals.counts()]).toEqual([]);
});
