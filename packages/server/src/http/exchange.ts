/**
 * One request and its answer. Routes answer through this and not through fastify's reply: headers go out as one
 * flat list that Node writes as it stands, and every answer is counted in one place.
 */
import type { IncomingHttpHeaders, IncomingMessage, ServerResponse } from "node:http";
import { MEDIA_TYPES } from "@hearsay/api";
import type { Log, RepeatLog } from "@hearsay/node";
import type { Operation, RequestMetrics } from "../metrics/requests.ts";
import { isOperators, toProblem } from "./faults.ts";
import { endInOneWrite } from "./one-write.ts";
import { countQueued } from "./pipeline.ts";
import type { PreparedValue } from "./prepared.ts";
import { renderProblem } from "./problem.ts";
import type { Stamp } from "./stamp.ts";
import { cutIfUnread, taken } from "./stream.ts";

/** Longer texts gain nothing from being copied behind the head. */
const ONE_WRITE_MAX_BYTES = 1024;

export interface ExchangePorts {
  readonly stamp: Stamp;
  readonly requests: RequestMetrics;
  readonly log: Log;
  readonly troubles: RepeatLog;
  readonly logRequests: boolean;
  /** How long an answer waits for its reader to take more of it. */
  readonly slowReaderMs: number;
}

export class Exchange {
  readonly raw: IncomingMessage;
  readonly response: ServerResponse;
  readonly operation: Operation;
  readonly #ports: ExchangePorts;
  readonly #startedMs: number;

  constructor(ports: ExchangePorts, operation: Operation, raw: IncomingMessage, response: ServerResponse) {
    this.#ports = ports;
    this.operation = operation;
    this.raw = raw;
    this.response = response;
    this.#startedMs = performance.now();
  }

  get headers(): IncomingHttpHeaders {
    return this.raw.headers;
  }

  /** The request target before it was routed. */
  get target(): string {
    return originalTarget(this.raw);
  }

  /** @param headers name, value, name, value; becomes the answer's own */
  send(status: number, headers: string[], body: Uint8Array | string | undefined): void {
    if (this.response.headersSent || this.response.destroyed) return;
    this.begin(status, headers);
    if (body === undefined) this.response.end();
    else this.#end(body);
  }

  /** Sends the head only; the body follows by the caller's own writes. */
  begin(status: number, headers: string[]): void {
    this.#ports.stamp.append(headers);
    this.#head(status, headers);
  }

  /** Without the headers that tell clients about this node. */
  sendBare(status: number, headers: string[], body: Uint8Array): void {
    if (this.response.headersSent || this.response.destroyed) return;
    this.response.sendDate = false;
    this.#head(status, headers);
    this.#end(body);
  }

  /** The quick way for values: nothing is copied or formatted. */
  sendPrepared(prepared: PreparedValue): void {
    this.#ports.stamp.renew(prepared.headers);
    this.#head(200, prepared.headers);
    if (typeof prepared.body === "string") endInOneWrite(this.response, prepared.body);
    else this.#end(prepared.body);
  }

  #end(body: Uint8Array | string): void {
    if (this.response.socket === null) countQueued(this.response, body.length);
    this.response.end(body);
    cutIfUnread(this.response, this.#ports.slowReaderMs);
  }

  /** Settles when the reader has taken the answer, or is gone: what is waited for does not pile up. */
  taken(): Promise<void> {
    return taken(this.response);
  }

  #head(status: number, headers: string[]): void {
    this.response.writeHead(status, headers);
    const durationMs = performance.now() - this.#startedMs;
    this.#ports.requests.count(this.operation, status, durationMs);
    if (this.#ports.logRequests) this.#logRequest(status, durationMs);
  }

  json(status: number, body: unknown, headers: string[] = []): void {
    this.jsonText(status, JSON.stringify(body), headers);
  }

  jsonText(status: number, text: string, headers: string[] = []): void {
    const bytes = Buffer.byteLength(text);
    headers.push("Content-Type", MEDIA_TYPES.json, "Content-Length", String(bytes));
    if (bytes !== text.length || bytes > ONE_WRITE_MAX_BYTES) {
      this.send(status, headers, text);
    } else if (!this.response.headersSent && !this.response.destroyed) {
      this.begin(status, headers);
      endInOneWrite(this.response, text);
    }
  }

  /** Answers with the problem; one that comes after the head cuts the connection, so that no reader takes the part for the whole. */
  fail(error: unknown): void {
    const problem = toProblem(error);
    if (problem.code === "internal") {
      this.#ports.log.error("request_failed", {
        operation: this.operation,
        error: error instanceof Error ? (error.stack ?? error.message) : String(error),
      });
    } else if (isOperators(problem)) {
      const { code } = problem;
      this.#ports.troubles.note(code, { code, operation: this.operation, error: String(error) });
    }
    if (this.response.headersSent) {
      this.response.destroy();
      return;
    }
    const { status, headers, body } = renderProblem(problem);
    this.send(status, [...headers], body);
  }

  #logRequest(status: number, durationMs: number): void {
    this.#ports.log.info("request", {
      operation: this.operation,
      method: this.raw.method ?? "",
      target: this.target,
      status,
      durationMs: Math.round(durationMs * 1000) / 1000,
    });
  }
}

/** Fastify keeps the target it was given before rewriting it. */
function originalTarget(raw: IncomingMessage): string {
  return "originalUrl" in raw && typeof raw.originalUrl === "string" ? raw.originalUrl : (raw.url ?? "/");
}
