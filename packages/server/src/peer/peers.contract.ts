/** A transport under test, and peers on real sockets that answer it as they like. */
import { once } from "node:events";
import { createServer as createHttpServer, type Server as HttpServer, type RequestListener } from "node:http";
import { type AddressInfo, createServer, type Server, type Socket } from "node:net";
import type { NodeId, Peer, PeerReply, PeerRequest } from "@hearsay/core";
import { PeerFault, type PeerFaultReason } from "@hearsay/node";
import { encodeReply } from "@hearsay/wire";
import { afterEach } from "vitest";
import { AddressPolicy } from "./address-policy.ts";
import { AUTH_HEADER, Authentication } from "./authentication.ts";
import { RefusalLog } from "./refusal-log.ts";
import { Traffic } from "./traffic.ts";
import { HttpTransport, type TransportOptions } from "./transport.ts";

const SECRET = "the secret of this cluster";
export const SELF: NodeId = "n1~0123456789";
export const PEER: NodeId = "n2~0123456789";
export const MAX_BYTES = 64 * 1024;
export const MESSAGE: PeerRequest = { kind: "fetch", key: "k" };
export const REPLY: PeerReply = { kind: "fetched", standing: { floor: 7, complete: true }, record: null };
/** Long for a request that is answered, even on a loaded machine. */
export const PATIENT_MS = 20_000;
export const HASTY_MS = 150;

export const closing: (() => Promise<unknown>)[] = [];
afterEach(async () => {
  for (const close of closing.splice(0)) await close();
});

/** @param secret null for a node without one, which signs nothing */
export function signer(secret: string | null = SECRET): Authentication {
  const secrets = secret === null ? [] : [secret];
  return new Authentication({ secrets, windowMs: 30_000, maxNonces: 1000, nowMs: () => 1e12 });
}

export interface Caller {
  readonly transport: HttpTransport;
  readonly failures: RefusalLog;
  readonly traffic: Traffic;
  readonly lines: unknown[];
}

export function caller(options: Partial<TransportOptions> = {}): Caller {
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
    monotonicMs: () => 0,
    ...options,
  });
  closing.push(() => transport.close());
  return { transport, failures, traffic, lines };
}

/** Everything a server under test has to say: where it is, and which sockets came and went. */
export interface Listening {
  readonly to: Peer;
  readonly sockets: Socket[];
  /** Settles when all sockets that came are gone. */
  quiet(): Promise<void>;
}

/** Where a peer is to listen: on any port of 127.0.0.1, where the test does not say. */
export interface At {
  readonly host: string;
  readonly port: number;
}

const ANYWHERE: At = { host: "127.0.0.1", port: 0 };

async function listening(server: Server | HttpServer, { host, port: wanted }: At): Promise<Listening> {
  const sockets: Socket[] = [];
  server.on("connection", (socket: Socket) => {
    sockets.push(socket);
    socket.on("error", () => undefined);
  });
  server.listen(wanted, host);
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
  return { to: { id: PEER, address: `${host}:${port}` }, sockets, quiet };
}

/** A peer that speaks HTTP. */
export async function http(listener: RequestListener, at: At = ANYWHERE): Promise<Listening> {
  return await listening(createHttpServer(listener), at);
}

/** A peer that answers the first bytes of a request with whatever it likes. */
export async function raw(onRequest: (socket: Socket) => void): Promise<Listening> {
  return await listening(
    createServer((socket) => socket.once("data", () => onRequest(socket))),
    ANYWHERE,
  );
}

export type Answer = { readonly status?: number; readonly bytes: Uint8Array; readonly by?: Authentication };

/** A peer that reads each request whole and signs its answer, under its own secret or another. */
export async function answering(answer: () => Answer | Promise<Answer>, at?: At): Promise<Listening> {
  return await http((request, response) => {
    const chunks: Buffer[] = [];
    request.on("data", (chunk: Buffer) => chunks.push(chunk));
    request.on("end", async () => {
      const header = request.headers[AUTH_HEADER];
      const checked = signer().checkRequest(request.url ?? "", String(header), Buffer.concat(chunks));
      const { status = 200, bytes, by = signer() } = await answer();
      const signature = by.signReply("nonce" in checked ? checked.nonce : "", bytes);
      response.writeHead(status, signature === undefined ? {} : { [AUTH_HEADER]: signature }).end(bytes);
    });
  }, at);
}

export const GOOD: Answer = { bytes: encodeReply({ from: PEER, message: REPLY }) };

export async function faultOf(reply: Promise<PeerReply>): Promise<PeerFaultReason> {
  try {
    throw new Error(`a reply came: ${(await reply).kind}`);
  } catch (error) {
    if (error instanceof PeerFault) return error.reason;
    throw error;
  }
}
