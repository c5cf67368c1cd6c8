/** The way to other nodes, over real sockets, to peers that do everything wrong. */
import { once } from "node:events";
import { createServer as createHttpServer, type Server as HttpServer, type RequestListener } from "node:http";
import { type AddressInfo, createServer, type Server, type Socket } from "node:net";
import type { NodeId, Peer, PeerReply, PeerRequest } from "@hearsay/core";
import { PeerFault, type PeerFaultReason } from "@hearsay/node";
import { decodeRequest, encodePlain, encodeReply, WIRE_VERSION } from "@hearsay/wire";
import { afterEach, expect, test } from "vitest";
import { AddressPolicy } from "./address-policy.ts";
import { AUTH_HEADER, Authentication } from "./authentication.ts";
import { RefusalLog } from "./refusal-log.ts";
import { Traffic } from "./traffic.ts";
import { HttpTransport, type TransportOptions } from "./transport.ts";

const SECRET = "the secret of this cluster";
const SELF: NodeId = "n1~0123456789";
const PEER: NodeId = "n2~0123456789";
const MAX_BYTES = 64 * 1024;
const MESSAGE: PeerRequest = { kind: "fetch", key: "k" };
const REPLY: PeerReply = { kind: "fetched", standing: { floor: 7, complete: true }, record: null };
/** Long for a request that is answered, even on a loaded machine. */
const PATIENT_MS = 20_000;
const HASTY_MS = 150;

const closing: (() => Promise<unknown>)[] = [];
afterEach(async () => {
  for (const close of closing.splice(0)) await close();
});

function signer(secret: string = SECRET): Authentication {
  return new Authentication({ secrets: [secret], windowMs: 30_000, maxNonces: 1000, nowMs: () => 1e12 });
}

interface Caller {
  readonly transport: HttpTransport;
  readonly failures: RefusalLog;
  readonly traffic: Traffic;
  readonly lines: unknown[];
}

function caller(options: Partial<TransportOptions> = {}): Caller {
  const lines: unknown[] = [];
  const log = {
    info: () => undefined,
    error: () => undefined,
    warn: (event: string, facts: object) => lines.push({ event, ...facts }),
  };
  const failures = new RefusalLog(log, "peer_request_failed", 10_000, () => 0);
  const traffic = new Traffic();
  const transport = new HttpTransport({
    cluster: "orchard",
    from: () => SELF,
    policy: new AddressPolicy(["127.0.0.0/8"]),
    authentication: signer(),
    maxMessageBytes: MAX_BYTES,
    connectTimeoutMs: 5000,
    localAddress: "",
    keepAliveMs: 10_000,
    connectionsPerPeer: 2,
    maxPools: 2,
    traffic,
    failures,
    ...options,
  });
  closing.push(() => transport.close());
  return { transport, failures, traffic, lines };
}

/** Everything a server under test has to say: where it is, and which sockets came and went. */
interface Listening {
  readonly to: Peer;
  readonly sockets: Socket[];
  /** Settles when all sockets that came are gone. */
  quiet(): Promise<void>;
}

async function listening(server: Server | HttpServer): Promise<Listening> {
  const sockets: Socket[] = [];
  server.on("connection", (socket: Socket) => {
    sockets.push(socket);
    socket.on("error", () => undefined);
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  closing.push(async () => {
    for (const socket of sockets) socket.destroy();
    server.close();
    await once(server, "close");
  });
  // A server that listens on a port has an address of this form.
  const { port } = server.address() as AddressInfo;
  const quiet = async (): Promise<void> => {
    const gone = (socket: Socket): Promise<void> =>
      new Promise((resolve) => (socket.closed ? resolve() : socket.on("close", () => resolve())));
    await Promise.all(sockets.map(gone));
  };
  return { to: { id: PEER, address: `127.0.0.1:${port}` }, sockets, quiet };
}

/** A peer that speaks HTTP. */
async function http(listener: RequestListener): Promise<Listening> {
  return await listening(createHttpServer(listener));
}

/** A peer that answers the first bytes of a request with whatever it likes. */
async function raw(onRequest: (socket: Socket) => void): Promise<Listening> {
  return await listening(createServer((socket) => socket.once("data", () => onRequest(socket))));
}

type Answer = { readonly status?: number; readonly bytes: Uint8Array; readonly by?: Authentication };

/** A peer that reads each request whole and signs its answer, under its own secret or another. */
async function answering(answer: () => Answer): Promise<Listening> {
  return await http((request, response) => {
    const chunks: Buffer[] = [];
    request.on("data", (chunk: Buffer) => chunks.push(chunk));
    request.on("end", () => {
      const header = request.headers[AUTH_HEADER];
      const checked = signer().checkRequest(request.url ?? "", String(header), Buffer.concat(chunks));
      const { status = 200, bytes, by = signer() } = answer();
      const signature = by.signReply("nonce" in checked ? checked.nonce : "", bytes) ?? "";
      response.writeHead(status, { [AUTH_HEADER]: signature }).end(bytes);
    });
  });
}

const GOOD: Answer = { bytes: encodeReply({ from: PEER, message: REPLY }) };

async function faultOf(reply: Promise<PeerReply>): Promise<PeerFaultReason> {
  try {
    throw new Error(`a reply came: ${(await reply).kind}`);
  } catch (error) {
    if (error instanceof PeerFault) return error.reason;
    throw error;
  }
}

test("a request carries the cluster and the sender, signed, and its reply comes back", async () => {
  const requests: unknown[] = [];
  const peer = await http((request, response) => {
    const chunks: Buffer[] = [];
    request.on("data", (chunk: Buffer) => chunks.push(chunk));
    request.on("end", () => {
      const body = Buffer.concat(chunks);
      const checked = signer().checkRequest(request.url ?? "", String(request.headers[AUTH_HEADER]), body);
      requests.push(decodeRequest(body, MAX_BYTES));
      const signature = signer().signReply("nonce" in checked ? checked.nonce : "", GOOD.bytes) ?? "";
      response.writeHead(200, { [AUTH_HEADER]: signature }).end(GOOD.bytes);
    });
  });
  const { transport, failures, traffic } = caller();
  expect(await transport.request(peer.to, MESSAGE, PATIENT_MS)).toEqual(REPLY);
  expect(requests).toEqual([
    { envelope: { version: WIRE_VERSION, cluster: "orchard", from: SELF, message: MESSAGE } },
  ]);
  expect([...failures.counts()]).toEqual([]);
  expect(traffic.counts().get("fetch")).toMatchObject({ messages: 1, receivedBytes: GOOD.bytes.length });
});

test("requests one after the other, and many at once, share the peer's few connections", async () => {
  const peer = await answering(() => GOOD);
  const { transport } = caller({ connectionsPerPeer: 2 });
  for (let i = 0; i < 20; i++) await transport.request(peer.to, MESSAGE, PATIENT_MS);
  await Promise.all(Array.from({ length: 50 }, () => transport.request(peer.to, MESSAGE, PATIENT_MS)));
  expect(peer.sockets.length).toBeLessThanOrEqual(2);
});

test("connections are kept to so many peers; the one not used for longest gives way", async () => {
  const [a, b, c] = await Promise.all([1, 2, 3].map(() => answering(() => GOOD)));
  if (a === undefined || b === undefined || c === undefined) throw new Error("three were asked for");
  const { transport } = caller({ maxPools: 2 });
  for (const { to } of [a, b, a, c]) await transport.request(to, MESSAGE, PATIENT_MS);
  await b.quiet();
  await transport.request(a.to, MESSAGE, PATIENT_MS);
  expect([a, b, c].map(({ sockets }) => sockets.length)).toEqual([1, 1, 1]);
});

const problem = (code: string): Uint8Array => Buffer.from(JSON.stringify({ status: 400, code }));
const other = (): Authentication => signer("the secret of another one");

test.each<[string, () => Answer, PeerFaultReason, string]>([
  [
    "a refusal that is signed",
    () => ({ status: 403, bytes: problem("retired") }),
    { code: "refused", reason: "retired" },
    "retired",
  ],
  [
    "a refusal of consequence from a stranger",
    () => ({ status: 403, bytes: problem("retired"), by: other() }),
    { code: "refused", reason: "refused_unsigned" },
    "refused_unsigned",
  ],
  [
    "a refusal of our signature, which cannot be signed for us",
    () => ({ status: 401, bytes: problem("auth_wrong"), by: other() }),
    { code: "refused", reason: "auth_wrong" },
    "auth_wrong",
  ],
  [
    "a refusal by a code nobody knows",
    () => ({ status: 400, bytes: problem("made_up") }),
    { code: "refused", reason: "made_up" },
    "refused",
  ],
  [
    "a refusal without a code",
    () => ({ status: 502, bytes: Buffer.from("<html>Bad Gateway</html>") }),
    { code: "refused", reason: "refused" },
    "refused",
  ],
  [
    "a refusal without end",
    () => ({ status: 500, bytes: Buffer.alloc(MAX_BYTES - 1, 0x20) }),
    { code: "refused", reason: "refused_unsigned" },
    "refused_unsigned",
  ],
  [
    "a reply signed under another secret",
    () => ({ ...GOOD, by: other() }),
    { code: "bad_message", what: "the reply's signature" },
    "bad_message",
  ],
  [
    "bytes that are no message",
    () => ({ bytes: Buffer.from("no message") }),
    { code: "bad_message", what: "bad_message" },
    "bad_message",
  ],
  [
    "another wire version",
    () => ({ bytes: encodePlain([WIRE_VERSION + 1, PEER, [15, []]]) }),
    { code: "bad_message", what: "incompatible_version" },
    "bad_message",
  ],
  [
    "a body over the limit",
    () => ({ bytes: Buffer.alloc(MAX_BYTES + 1) }),
    { code: "bad_message", what: "the reply's size" },
    "bad_message",
  ],
  [
    "the word of another incarnation",
    () => ({ bytes: encodeReply({ from: "n2~9999999999", message: REPLY }) }),
    { code: "refused", reason: "not_me" },
    "not_me",
  ],
])("%s fails the request, is counted and logged once", async (_, answer, reason, counted) => {
  const peer = await answering(answer);
  const { transport, failures, lines } = caller();
  expect(await faultOf(transport.request(peer.to, MESSAGE, PATIENT_MS))).toEqual(reason);
  expect(await faultOf(transport.request(peer.to, MESSAGE, PATIENT_MS))).toEqual(reason);
  expect([...failures.counts()]).toEqual([[counted, 2]]);
  expect(lines).toEqual([{ event: "peer_request_failed", code: counted, peer: peer.to.address, count: 1 }]);
});

test("a reply to an earlier request, played back, is not taken for the answer to this one", async () => {
  let recorded: string | undefined;
  const peer = await http((request, response) => {
    const chunks: Buffer[] = [];
    request.on("data", (chunk: Buffer) => chunks.push(chunk));
    request.on("end", () => {
      const header = String(request.headers[AUTH_HEADER]);
      const checked = signer().checkRequest(request.url ?? "", header, Buffer.concat(chunks));
      recorded ??= signer().signReply("nonce" in checked ? checked.nonce : "", GOOD.bytes);
      response.writeHead(200, { [AUTH_HEADER]: recorded }).end(GOOD.bytes);
    });
  });
  const { transport } = caller();
  await transport.request(peer.to, MESSAGE, PATIENT_MS);
  expect(await faultOf(transport.request(peer.to, MESSAGE, PATIENT_MS))).toEqual({
    code: "bad_message",
    what: "the reply's signature",
  });
});

test("a redirection is a refusal, and is not followed", async () => {
  const elsewhere = await answering(() => GOOD);
  const peer = await http((request, response) => {
    request.resume();
    response.writeHead(307, { location: `http://${elsewhere.to.address}/peer/fetch` }).end();
  });
  const { transport } = caller();
  expect(await faultOf(transport.request(peer.to, MESSAGE, PATIENT_MS))).toHaveProperty("code", "refused");
  expect(elsewhere.sockets).toEqual([]);
});

/** Sends a byte a few milliseconds, for as long as the socket lives. */
function trickle(socket: Socket, byte: string): void {
  const timer = setInterval(() => socket.write(byte), 10);
  socket.on("close", () => clearInterval(timer));
}

test.each<[string, (socket: Socket) => void]>([
  ["never answers", () => undefined],
  [
    "trickles its head",
    (socket) => {
      socket.write("HTTP/1.1 200 OK\r\nx: ");
      trickle(socket, "y");
    },
  ],
  [
    "trickles its body",
    (socket) => {
      socket.write("HTTP/1.1 200 OK\r\ncontent-length: 60000\r\n\r\n");
      trickle(socket, "y");
    },
  ],
  [
    "trickles a refusal",
    (socket) => {
      socket.write("HTTP/1.1 503 Busy\r\ncontent-length: 60000\r\n\r\n");
      trickle(socket, "y");
    },
  ],
  ["stops in its body", (socket) => socket.write("HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\nyyy")],
])("a peer that %s is given up when the time is over, with its connection", async (_, onRequest) => {
  const peer = await raw(onRequest);
  const { transport, failures } = caller();
  const startedMs = performance.now();
  expect(await faultOf(transport.request(peer.to, MESSAGE, HASTY_MS))).toEqual({ code: "timeout" });
  // The clocks of timers and of this test may differ by a little.
  expect(performance.now() - startedMs).toBeGreaterThan(HASTY_MS - 5);
  expect([...failures.counts()]).toEqual([["timeout", 1]]);
  await peer.quiet();
});

test("a request that waits for a free connection is given up in its own time too", async () => {
  const peer = await raw(() => undefined);
  const { transport } = caller({ connectionsPerPeer: 1 });
  const first = faultOf(transport.request(peer.to, MESSAGE, PATIENT_MS));
  expect(await faultOf(transport.request(peer.to, MESSAGE, HASTY_MS))).toEqual({ code: "timeout" });
  await transport.close();
  expect(await first).toEqual({ code: "unreachable" });
});

test("so many requests to one peer are under way and no more, those given up included", async () => {
  const peer = await raw(() => undefined);
  const { transport } = caller({ connectionsPerPeer: 1 });
  const reasons: Promise<PeerFaultReason>[] = [];
  for (let i = 0; i < 1024; i++) reasons.push(faultOf(transport.request(peer.to, MESSAGE, PATIENT_MS)));
  expect(await faultOf(transport.request(peer.to, MESSAGE, PATIENT_MS))).toEqual({ code: "busy" });
  await transport.close();
  expect(new Set((await Promise.all(reasons)).map(({ code }) => code))).toEqual(new Set(["unreachable"]));
});

test.each<[string, (socket: Socket) => void, PeerFaultReason["code"]]>([
  ["closes at once", (socket) => socket.destroy(), "unreachable"],
  ["resets the connection", (socket) => socket.resetAndDestroy(), "unreachable"],
  [
    "closes in its body",
    (socket) => socket.end("HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\nyyy"),
    "unreachable",
  ],
  ["speaks no HTTP", (socket) => socket.write("SSH-2.0-OpenSSH_9.6\r\n"), "bad_message"],
  [
    "has a head without end",
    (socket) => socket.write(`HTTP/1.1 200 OK\r\n${"x: y\r\n".repeat(20_000)}`),
    "bad_message",
  ],
  [
    "has a body without end",
    (socket) => {
      socket.write("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n");
      const chunk = `4000\r\n${"y".repeat(0x4000)}\r\n`;
      for (let i = 0; i < 100; i++) socket.write(chunk);
    },
    "bad_message",
  ],
])("a peer that %s fails the request and leaves no connection behind", async (_, onRequest, code) => {
  const peer = await raw(onRequest);
  const { transport, failures } = caller();
  expect(await faultOf(transport.request(peer.to, MESSAGE, PATIENT_MS))).toHaveProperty("code", code);
  expect([...failures.counts()]).toEqual([[code, 1]]);
  await peer.quiet();
});

test("a port on which nobody listens is unreachable", async () => {
  const peer = await raw(() => undefined);
  const { transport } = caller();
  for (const close of closing.splice(0, 1)) await close();
  expect(await faultOf(transport.request(peer.to, MESSAGE, PATIENT_MS))).toEqual({ code: "unreachable" });
  closing.push(() => transport.close());
});

test.each(["10.0.0.1:7301", "169.254.169.254:80", "2852039166:80", "[fe80::1]:80", "no address"])(
  "nothing is sent to %s, which is outside the allowed ranges",
  async (address) => {
    const { transport, failures } = caller();
    expect(await faultOf(transport.request({ id: PEER, address }, MESSAGE, PATIENT_MS))).toEqual({
      code: "refused",
      reason: "peer_address_refused",
    });
    expect([...failures.counts()]).toEqual([["peer_address_refused", 1]]);
  },
);

test("a name that leads outside the allowed ranges is refused when it is looked up", async () => {
  const { transport } = caller({ policy: new AddressPolicy(["10.0.0.0/8"]) });
  const peer = { id: PEER, address: "localhost:9" };
  expect(await faultOf(transport.request(peer, MESSAGE, PATIENT_MS))).toEqual({
    code: "refused",
    reason: "peer_address_refused",
  });
});
