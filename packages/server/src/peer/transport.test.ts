import { decodeRequest, WIRE_VERSION } from "@hearsay/wire";
import { expect, test } from "vitest";
import { AddressPolicy } from "./address-policy.ts";
import { AUTH_HEADER } from "./authentication.ts";
import {
  answering,
  caller,
  closing,
  faultOf,
  GOOD,
  http,
  MAX_BYTES,
  MESSAGE,
  PATIENT_MS,
  PEER,
  REPLY,
  raw,
  SELF,
  signer,
} from "./peers.contract.ts";

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

test("a reply that came while this process stood still counts, though the time for it is up", async () => {
  const standStill = (ms: number): void => {
    const until = performance.now() + ms;
    while (performance.now() < until);
  };
  let stallMs = 0;
  const peer = await answering(() => {
    // When the answer is written, and before it is read.
    setImmediate(() => standStill(stallMs));
    return GOOD;
  });
  const { transport, failures } = caller();
  await transport.request(peer.to, MESSAGE, PATIENT_MS);
  stallMs = 600;
  expect(await transport.request(peer.to, MESSAGE, 500)).toEqual(REPLY);
  expect([...failures.counts()]).toEqual([]);
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
