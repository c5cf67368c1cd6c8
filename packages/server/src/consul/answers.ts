/** Answers in Consul's manner: errors are plain text, and reads say at which index they are. */
import { PROBLEMS } from "@hearsay/api";
import type { Exchange } from "../http/exchange.ts";
import { toProblem } from "../http/faults.ts";
import { renderProblem } from "../http/problem.ts";
import type { Contact } from "./leadership.ts";

/** A request that Consul refuses in these words. */
export class ConsulRefusal extends Error {
  readonly status: number;

  constructor(status: number, text: string) {
    super(text);
    this.name = "ConsulRefusal";
    this.status = status;
  }
}

export function notSupported(what: string): ConsulRefusal {
  return new ConsulRefusal(
    501,
    `${what} needs consensus, which this store does not have: sessions and locks are not supported`,
  );
}

/** Runs a route; what it throws becomes plain text with the same status as elsewhere. */
export async function inConsulsManner(exchange: Exchange, work: () => Promise<void> | void): Promise<void> {
  try {
    await work();
  } catch (error) {
    if (exchange.response.headersSent) return exchange.fail(error);
    if (error instanceof ConsulRefusal) return sendText(exchange, error.status, error.message);
    const problem = toProblem(error);
    // Failures of the node itself are logged where all others are.
    if (problem.code === "internal") return exchange.fail(error);
    const { status, headers } = renderProblem(problem);
    const text = problem.facts.detail ?? PROBLEMS[problem.code].title;
    sendText(exchange, status, `${text} (${problem.code})`, retryAfter(headers));
  }
}

function retryAfter(headers: readonly string[]): string[] {
  const at = headers.indexOf("Retry-After");
  return at === -1 ? [] : headers.slice(at, at + 2);
}

function sendText(exchange: Exchange, status: number, text: string, headers: string[] = []): void {
  headers.push(
    "Content-Type",
    "text/plain; charset=utf-8",
    "Content-Length",
    String(Buffer.byteLength(text)),
  );
  exchange.send(status, headers, text);
}

/** Any node may be asked, and none is the leader; clients refuse answers of a cluster without one. */
export function indexHeaders(index: number, { knowsAll, lastMs }: Contact): string[] {
  return [
    "X-Consul-Index",
    String(index),
    "X-Consul-KnownLeader",
    String(knowsAll),
    "X-Consul-LastContact",
    String(lastMs),
    "X-Consul-Effective-Consistency",
    "stale",
  ];
}
