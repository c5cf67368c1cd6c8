/** A peer's name that led to somebody else for a while, or has come to lead elsewhere. */
import { ANYONE, type Peer } from "@hearsay/core";
import { encodeReply } from "@hearsay/wire";
import { expect, test } from "vitest";
import { AddressPolicy } from "./address-policy.ts";
import { CONNECTIONS_MAX_AGE_MS } from "./peer-pool.ts";
import {
  type Answer,
  answering,
  type Caller,
  caller,
  faultOf,
  GOOD,
  type Listening,
  MESSAGE,
  PATIENT_MS,
  PEER,
  REPLY,
  signer,
} from "./peers.contract.ts";
import type { TransportOptions } from "./transport.ts";

const OTHER = "n3~0123456789";
const OF_OTHER: Answer = { bytes: encodeReply({ from: OTHER, message: REPLY }) };
const problem = (code: string): Uint8Array => Buffer.from(JSON.stringify({ status: 400, code }));

interface Moving extends Caller {
  readonly to: Peer;
  /** Where the name leads at first. */
  readonly before: Listening;
  /** Where it leads from `move` on. */
  readonly after: Listening;
  move(): void;
}

async function moving(
  answer: () => Answer | Promise<Answer>,
  options: Partial<TransportOptions> = {},
): Promise<Moving> {
  const before = await answering(answer);
  const port = Number(before.to.address.split(":")[1]);
  const after = await answering(() => GOOD, { host: "127.0.0.2", port });
  let leadsTo = "127.0.0.1";
  const policy = new AddressPolicy(["127.0.0.0/8"], (_name, _options, callback) =>
    callback(null, [{ address: leadsTo, family: 4 }]),
  );
  const move = (): void => {
    leadsTo = "127.0.0.2";
  };
  const to = { id: PEER, address: `n2.example:${port}` };
  return { ...caller({ policy, connectionsPerPeer: 1, ...options }), to, before, after, move };
}

test.each<[string, Answer]>([
  ["another node answers", OF_OTHER],
  [
    "another node says that it is not the one that is asked for",
    { bytes: encodeReply({ from: OTHER, message: { kind: "refused", code: "not_me" } }) },
  ],
  ["a node of another cluster answers", { status: 403, bytes: problem("wrong_cluster") }],
  ["a node with another secret answers", { ...GOOD, by: signer("the secret of another one") }],
  ["a node refuses the secret", { status: 401, bytes: problem("auth_wrong"), by: signer(null) }],
  ["a program of another kind answers", { status: 404, bytes: Buffer.from("<html>Not Found</html>") }],
  ["the answer is no message", { bytes: Buffer.from("welcome") }],
])("where %s, the next request goes where the name leads by then", async (_, answer) => {
  const { transport, to, before, after, move } = await moving(() => answer);
  const first = await transport.request(to, MESSAGE, PATIENT_MS).catch(() => undefined);
  expect(first).not.toEqual(REPLY);
  move();
  expect(await transport.request(to, MESSAGE, PATIENT_MS)).toEqual(REPLY);
  expect(await transport.request(to, MESSAGE, PATIENT_MS)).toEqual(REPLY);
  expect(after.sockets).toHaveLength(1);
  await before.quiet();
});

test("who is asked for by address alone is looked for where the name leads now, and so is whoever comes next", async () => {
  const { transport, to, before, after, move } = await moving(() => OF_OTHER);
  const anyone = { ...to, id: ANYONE };
  expect(await transport.request(anyone, MESSAGE, PATIENT_MS)).toEqual(REPLY);
  expect(await transport.request(anyone, MESSAGE, PATIENT_MS)).toEqual(REPLY);
  expect([before.sockets.length, after.sockets.length]).toEqual([2, 0]);
  move();
  expect(await transport.request(anyone, MESSAGE, PATIENT_MS)).toEqual(REPLY);
  expect(await transport.request(to, MESSAGE, PATIENT_MS)).toEqual(REPLY);
  expect([before.sockets.length, after.sockets.length]).toEqual([2, 1]);
});

test("a connection on which nothing wrong is heard has its time as well, and the name is looked up then", async () => {
  let nowMs = 0;
  const { transport, to, before, after, move } = await moving(() => GOOD, { monotonicMs: () => nowMs });
  await transport.request(to, MESSAGE, PATIENT_MS);
  move();
  nowMs = CONNECTIONS_MAX_AGE_MS - 1;
  await transport.request(to, MESSAGE, PATIENT_MS);
  expect([before.sockets.length, after.sockets.length]).toEqual([1, 0]);
  nowMs = CONNECTIONS_MAX_AGE_MS;
  await transport.request(to, MESSAGE, PATIENT_MS);
  nowMs = 2 * CONNECTIONS_MAX_AGE_MS - 1;
  await transport.request(to, MESSAGE, PATIENT_MS);
  expect([before.sockets.length, after.sockets.length]).toEqual([1, 1]);
  await before.quiet();
});

/** Answers the first request when the test says so, and as another node whatever comes meanwhile. */
async function halfMoved(): Promise<
  Moving & { readonly slow: Promise<unknown>; release(answer: Answer): void }
> {
  let release: (answer: Answer) => void = () => undefined;
  const held = new Promise<Answer>((resolve) => {
    release = resolve;
  });
  let begun: () => void = () => undefined;
  const isUnderWay = new Promise<void>((resolve) => {
    begun = resolve;
  });
  let asked = 0;
  const answer = (): Answer | Promise<Answer> => {
    asked += 1;
    begun();
    return asked === 1 ? held : OF_OTHER;
  };
  const pair = await moving(answer, { connectionsPerPeer: 2 });
  const slow = pair.transport.request(pair.to, MESSAGE, PATIENT_MS).catch((error: unknown) => error);
  await isUnderWay;
  return { ...pair, slow, release };
}

test("the answer of another one breaks no request that is under way, which may be with the right one", async () => {
  const { transport, to, before, after, move, slow, release } = await halfMoved();
  for (let i = 0; i < 10; i++)
    expect(await faultOf(transport.request(to, MESSAGE, PATIENT_MS))).toHaveProperty("reason", "not_me");
  move();
  expect(await transport.request(to, MESSAGE, PATIENT_MS)).toEqual(REPLY);
  release(GOOD);
  expect(await slow).toEqual(REPLY);
  await before.quiet();
  expect(after.sockets).toHaveLength(1);
});

test("the late answer of another one, on a connection that was given up, leaves the new one alone", async () => {
  const { transport, to, after, move, slow, release } = await halfMoved();
  await faultOf(transport.request(to, MESSAGE, PATIENT_MS));
  move();
  await transport.request(to, MESSAGE, PATIENT_MS);
  const [socket] = after.sockets;
  release(OF_OTHER);
  expect(await slow).toHaveProperty("reason.reason", "not_me");
  await transport.request(to, MESSAGE, PATIENT_MS);
  expect([after.sockets.length, socket?.closed]).toEqual([1, false]);
});

test("what still carries a request is closed with the rest", async () => {
  const { transport, to, before, slow } = await halfMoved();
  await faultOf(transport.request(to, MESSAGE, PATIENT_MS));
  await transport.close();
  expect(await slow).toHaveProperty("reason", { code: "unreachable" });
  await before.quiet();
});

test.each(["overloaded", "not_ready", "peer_busy", "unknown_member", "clock_drift"])(
  "a node that refuses with %s keeps its connection",
  async (code) => {
    const { transport, to, before } = await moving(() => ({ status: 503, bytes: problem(code) }));
    for (let i = 0; i < 5; i++)
      expect(await faultOf(transport.request(to, MESSAGE, PATIENT_MS))).toHaveProperty("reason", code);
    expect(before.sockets).toHaveLength(1);
  },
);
