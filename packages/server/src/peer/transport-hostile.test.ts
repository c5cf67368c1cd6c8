import type { Socket } from "node:net";
import type { PeerFaultReason } from "@hearsay/node";
import { encodePlain, encodeReply, WIRE_VERSION } from "@hearsay/wire";
import { expect, test } from "vitest";
import { AUTH_HEADER, type Authentication } from "./authentication.ts";
import {
  type Answer,
  answering,
  caller,
  faultOf,
  GOOD,
  HASTY_MS,
  http,
  MAX_BYTES,
  MESSAGE,
  PATIENT_MS,
  PEER,
  REPLY,
  raw,
  signer,
} from "./peers.contract.ts";

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
    { code: "refused", reason: "auth_wrong" },
    "auth_wrong",
  ],
  [
    "a reply of a node that has no secret",
    () => ({ ...GOOD, by: signer(null) }),
    { code: "refused", reason: "auth_missing" },
    "auth_missing",
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
    code: "refused",
    reason: "auth_wrong",
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
