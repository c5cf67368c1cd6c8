/**
 * The way to other nodes: HTTP/1.1 by undici, one pool for each peer, every time-out and limit set.
 *
 * Bounds: connections a peer, requests under way to it, pools, bytes of a reply, time of a request. Redirects are not
 * followed.
 */
import { problemKind } from "@hearsay/api";
import { ANYONE, type NodeId, type Peer, type PeerReply, type PeerRequest } from "@hearsay/core";
import { PeerFault, type PeerFaultReason, type Transport } from "@hearsay/node";
import { decodeReply, encodeRequest, type ReplyEnvelope } from "@hearsay/wire";
import { errors } from "undici";
import { type AddressPolicy, AddressRefused } from "./address-policy.ts";
import { AUTH_HEADER, type Authentication } from "./authentication.ts";
import type { Answer } from "./call.ts";
import { PeerPool } from "./peer-pool.ts";
import type { RefusalLog } from "./refusal-log.ts";
import type { Traffic } from "./traffic.ts";

export interface TransportOptions {
  readonly cluster: string;
  readonly from: () => NodeId;
  readonly policy: AddressPolicy;
  readonly authentication: Authentication;
  readonly maxMessageBytes: number;
  readonly connectTimeoutMs: number;
  /** Empty for whatever the system chooses. */
  readonly localAddress: string;
  readonly keepAliveMs: number;
  /** A rumor pipe, an exchange and a probe may be under way at a time; more wait in the pool. */
  readonly connectionsPerPeer: number;
  /** Peers with open connections; the one not used for longest gives way. */
  readonly maxPools: number;
  readonly traffic: Traffic;
  /** Requests that came to nothing. */
  readonly failures: RefusalLog;
  monotonicMs(): number;
}

export const PEER_PATH = "/peer/";
const CONTENT_TYPE = "application/msgpack";

export class HttpTransport implements Transport {
  readonly #options: TransportOptions;
  /** In the order of last use. */
  readonly #pools: Map<string, PeerPool> = new Map();

  constructor(options: TransportOptions) {
    this.#options = options;
  }

  request(to: Peer, message: PeerRequest, timeoutMs: number): Promise<PeerReply> {
    const { cluster, from } = this.#options;
    // No async function has the message for its own: it would keep it in memory for as long as the answer is waited for.
    const call = { kind: message.kind, body: encodeRequest({ cluster, from: from(), message }), timeoutMs };
    return this.#call(to, call);
  }

  async #call(to: Peer, call: EncodedCall): Promise<PeerReply> {
    try {
      return await this.#exchange(to, call);
    } catch (error) {
      const fault = toFault(error);
      if (fault instanceof PeerFault) this.#options.failures.note(codeToCount(fault.reason), to.address);
      throw fault;
    }
  }

  async #exchange(to: Peer, { kind, body, timeoutMs }: EncodedCall): Promise<PeerReply> {
    const { authentication, policy, traffic } = this.#options;
    const origin = policy.origin(to.address);
    const path = PEER_PATH + kind;
    const { header, nonce } = authentication.signRequest(path, body);
    const headers = ["content-type", CONTENT_TYPE];
    if (header !== undefined) headers.push(AUTH_HEADER, header);
    const pool = this.#pool(origin);
    // Who is asked for by address alone is whoever is there now.
    if (to.id === ANYONE) pool.renew(pool.connections);
    const { connections } = pool;
    const answer = await pool.exchange(
      connections,
      { method: "POST", path, headers, body, headersTimeout: 0, bodyTimeout: 0 },
      timeoutMs,
    );
    traffic.count(kind, body.length, answer.bytes.length);
    const read = this.#read(answer, nonce);
    if (isOfAnother(to, read)) pool.renew(connections);
    if (read instanceof PeerFault) throw read;
    return expectFrom(to, read);
  }

  #read({ statusCode, signature, bytes }: Answer, nonce: string): ReplyEnvelope | PeerFault {
    const { authentication, maxMessageBytes } = this.#options;
    const authFault = authentication.checkReply(nonce, signature, bytes);
    if (statusCode !== 200) {
      const reason = refusalOf(bytes, { isSigned: authFault === undefined });
      return new PeerFault({ code: "refused", reason });
    }
    if (authFault !== undefined) return new PeerFault({ code: "refused", reason: authFault });
    const decoded = decodeReply(bytes, maxMessageBytes);
    if ("fault" in decoded) return new PeerFault({ code: "bad_message", what: decoded.fault.code });
    return decoded.envelope;
  }

  async close(): Promise<void> {
    const pools = [...this.#pools.values()];
    this.#pools.clear();
    await Promise.all(pools.map((pool) => pool.destroy()));
  }

  #pool(origin: string): PeerPool {
    const {
      connectionsPerPeer,
      connectTimeoutMs,
      keepAliveMs,
      localAddress,
      maxMessageBytes,
      maxPools,
      monotonicMs,
      policy,
    } = this.#options;
    const found = this.#pools.get(origin);
    if (found !== undefined) {
      this.#pools.delete(origin);
      this.#pools.set(origin, found);
      return found;
    }
    for (const [oldest, pool] of this.#pools) {
      if (this.#pools.size < maxPools) break;
      this.#pools.delete(oldest);
      // Requests under way end as unreachable and are repeated by their protocol.
      pool.destroy().catch(() => undefined);
    }
    const options = {
      connections: connectionsPerPeer,
      pipelining: 1,
      keepAliveTimeout: keepAliveMs,
      maxResponseSize: maxMessageBytes,
      connect: { timeout: connectTimeoutMs, lookup: policy.lookup },
      ...(localAddress === "" ? {} : { localAddress }),
    };
    const pool = new PeerPool(origin, options, monotonicMs);
    this.#pools.set(origin, pool);
    return pool;
  }
}

/**
 * Messages go to addresses, and another incarnation may be there by now: its answer proves nothing about the one that
 * was asked. What membership has to say about that is in its own refusals.
 */
function expectFrom(to: Peer, reply: ReplyEnvelope): PeerReply {
  if (to.id === ANYONE || to.id === reply.from || reply.message.kind === "refused") return reply.message;
  throw new PeerFault({ code: "refused", reason: "not_me" });
}

interface EncodedCall {
  readonly kind: PeerRequest["kind"];
  readonly body: Uint8Array;
  readonly timeoutMs: number;
}

/** What a node says before it knows who asks, and which therefore is not signed. Nothing follows from these codes. */
const UNSIGNED_CODES: ReadonlySet<string> = new Set([
  "auth_missing",
  "auth_wrong",
  "auth_outside_window",
  "replayed",
  "message_too_large",
  "overloaded",
  "not_ready",
  "internal",
]);

/**
 * The code in a problem document. Some codes have consequences (a node that is told it is retired ends), so those that
 * a stranger at the address could have made up are not believed.
 */
function refusalOf(bytes: Uint8Array, { isSigned }: { readonly isSigned: boolean }): string {
  const [, code = "refused"] =
    /"code"\s*:\s*"([a-z0-9_]{1,64})"/.exec(Buffer.from(bytes).toString("latin1")) ?? [];
  return isSigned || UNSIGNED_CODES.has(code) ? code : "refused_unsigned";
}

/** One of a fixed set: what peers call their refusals is counted only where it is a code of the API. */
function codeToCount(reason: PeerFaultReason): string {
  if (reason.code !== "refused") return reason.code;
  const isKnown = OWN_CODES.has(reason.reason) || problemKind(reason.reason) !== undefined;
  return isKnown ? reason.reason : "refused";
}

const OWN_CODES: ReadonlySet<string> = new Set(["not_me", "peer_address_refused", "refused_unsigned"]);

/**
 * Whether it may be that the address does not lead to that peer any more: a name that has moved, and a connection from
 * before. What a node under load or at its start says is no reason to doubt that.
 */
function isOfAnother(to: Peer, read: ReplyEnvelope | PeerFault): boolean {
  if (read instanceof PeerFault) return OF_ANOTHER.has(codeToCount(read.reason));
  return to.id !== ANYONE && to.id !== read.from;
}

/** What nodes of other clusters answer, and programs of other kinds. */
const OF_ANOTHER: ReadonlySet<string> = new Set([
  "not_me",
  "wrong_cluster",
  "auth_missing",
  "auth_wrong",
  "refused_unsigned",
  "refused",
  "bad_message",
]);

function toFault(error: unknown): unknown {
  if (error instanceof PeerFault) return error;
  if (error instanceof AddressRefused) return new PeerFault({ code: "refused", reason: error.code });
  if (
    error instanceof errors.HeadersTimeoutError ||
    error instanceof errors.BodyTimeoutError ||
    (error instanceof Error && error.name === "TimeoutError")
  ) {
    return new PeerFault({ code: "timeout" });
  }
  if (error instanceof errors.ResponseExceededMaxSizeError) {
    return new PeerFault({ code: "bad_message", what: "the reply's size" });
  }
  if (error instanceof errors.HTTPParserError || error instanceof errors.HeadersOverflowError) {
    return new PeerFault({ code: "bad_message", what: "the reply's form as HTTP" });
  }
  if (error instanceof errors.UndiciError || (error instanceof Error && "code" in error)) {
    return new PeerFault({ code: "unreachable" });
  }
  return error;
}
