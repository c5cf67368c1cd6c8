/** `POST /peer/{message}`: checks a message from the cheapest test to the dearest, and hands it to the node. */
import { MEDIA_TYPES } from "@hearsay/api";
import type { NodeId, PeerReply, PeerRequest } from "@hearsay/core";
import { PeerFault, type PeerFaultReason } from "@hearsay/node";
import { decodeRequest, encodeReply, type WireFault } from "@hearsay/wire";
import { type BodyLimit, type ByteBudget, readBody } from "../http/body.ts";
import type { Exchange } from "../http/exchange.ts";
import { ApiProblem, renderProblem } from "../http/problem.ts";
import { AUTH_HEADER, type Authentication, type AuthFault } from "./authentication.ts";
import type { RefusalLog } from "./refusal-log.ts";
import type { Traffic } from "./traffic.ts";

export type PeerRefusal =
  | { readonly code: AuthFault }
  | WireFault
  | PeerFaultReason
  | { readonly code: "wrong_cluster"; readonly expected: string; readonly found: string };

export interface PeerPorts {
  readonly cluster: string;
  readonly authentication: Authentication;
  readonly limit: BodyLimit;
  readonly budget: ByteBudget;
  /** Messages of others that this node refused. */
  readonly refusals: RefusalLog;
  /** This node's own requests that came to nothing. */
  readonly failures: RefusalLog;
  readonly traffic: Traffic;
  self(): NodeId;
  /** @throws PeerFault for what the peer may not ask */
  serve(from: NodeId, message: PeerRequest): Promise<PeerReply>;
}

export function servePeer(ports: PeerPorts, exchange: Exchange): void {
  readBody(exchange.raw, ports.limit, ports.budget, (problem, bytes, taken) => {
    if (problem !== undefined) {
      exchange.fail(problem.code === "body_too_large" ? tooLarge(ports, exchange, problem) : problem);
      return;
    }
    answer(ports, exchange, bytes)
      .catch((error: unknown) => exchange.fail(error))
      .finally(() => ports.budget.release(taken));
  });
}

function tooLarge(ports: PeerPorts, exchange: Exchange, { facts }: ApiProblem): ApiProblem {
  const { maxBytes } = ports.limit;
  const { code } = refusal(ports, exchange, { code: "message_too_large", maxBytes });
  return new ApiProblem(code, facts);
}

async function answer(ports: PeerPorts, exchange: Exchange, body: Uint8Array): Promise<void> {
  const { authentication } = ports;
  const header = exchange.headers[AUTH_HEADER];
  const checked = authentication.checkRequest(
    exchange.target,
    Array.isArray(header) ? header[0] : header,
    body,
  );
  if ("fault" in checked) throw refusal(ports, exchange, { code: checked.fault });
  const { nonce } = checked;
  const decoded = decodeRequest(body, ports.limit.maxBytes);
  if ("fault" in decoded) {
    sendRefusal(ports, exchange, nonce, refusal(ports, exchange, decoded.fault));
    return;
  }
  const { from, message, cluster } = decoded.envelope;
  if (cluster !== ports.cluster) {
    const reason = { code: "wrong_cluster", expected: ports.cluster, found: cluster } as const;
    sendRefusal(ports, exchange, nonce, refusal(ports, exchange, reason));
    return;
  }
  try {
    const reply = await ports.serve(from, message);
    const bytes = encodeReply({ from: ports.self(), message: reply });
    ports.traffic.count(message.kind, bytes.length, body.length);
    const headers = ["Content-Type", MEDIA_TYPES.msgpack, "Content-Length", String(bytes.length)];
    sendSigned(ports, exchange, nonce, { status: 200, headers, bytes });
  } catch (error) {
    if (!(error instanceof PeerFault)) throw error;
    sendRefusal(ports, exchange, nonce, refusal(ports, exchange, error.reason, from));
  }
}

/** Signed, because the sender draws conclusions from some codes and must not take a stranger's word for them. */
function sendRefusal(ports: PeerPorts, exchange: Exchange, nonce: string, problem: ApiProblem): void {
  const { status, headers, body } = renderProblem(problem);
  sendSigned(ports, exchange, nonce, { status, headers, bytes: Buffer.from(body) });
}

interface Answer {
  readonly status: number;
  /** Name, value, name, value. */
  readonly headers: readonly string[];
  readonly bytes: Uint8Array;
}

function sendSigned(ports: PeerPorts, exchange: Exchange, nonce: string, answer: Answer): void {
  const signature = ports.authentication.signReply(nonce, answer.bytes);
  const headers = [...answer.headers];
  if (signature !== undefined) headers.push(AUTH_HEADER, signature);
  exchange.sendBare(answer.status, headers, answer.bytes);
}

/** The problem to answer with; the refusal is counted, and logged at a limited rate. */
function refusal(ports: PeerPorts, exchange: Exchange, reason: PeerRefusal, from?: NodeId): ApiProblem {
  const { code: inner, ...facts } = reason;
  const code = problemCode(inner);
  ports.refusals.note(code, from ?? exchange.raw.socket.remoteAddress ?? "");
  return new ApiProblem(code, { members: { ...facts } });
}

/** What the codes of the layers below are called towards peers. */
function problemCode(code: PeerRefusal["code"]): ApiProblem["code"] {
  switch (code) {
    case "busy":
    case "unreachable":
    case "timeout":
      return "peer_busy";
    case "refused":
    case "exchange_broken":
    case "bad_message":
      return "bad_message";
    default:
      return code;
  }
}
