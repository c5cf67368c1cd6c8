/**
 * One request under way, as undici's dispatcher reports on it. It is told of head, bytes and end as they come: streams,
 * their bodies and abort signals cost several times what a small message does.
 */
import { PeerFault } from "@hearsay/node";
import type { Dispatcher } from "undici";
import { Gathered } from "../http/body.ts";
import { AUTH_HEADER } from "./authentication.ts";

export interface Answer {
  readonly statusCode: number;
  readonly signature: string | undefined;
  readonly bytes: Uint8Array;
}

export interface Settle {
  resolve(answer: Answer): void;
  reject(error: Error): void;
  /** The dispatcher is done with the request, which may be long after it was given up. */
  over(): void;
}

/** As much of a problem document as its code may stand in; a longer one costs its connection. */
const PROBLEM_MAX_BYTES = 16_384;
const CUT_SHORT = new Error("The rest of the problem document is of no use.");

/**
 * The time given bounds the whole of it. undici's own time-outs begin when a request gets a connection and start anew
 * with every byte that trickles in.
 */
export class Call implements Dispatcher.DispatchHandler {
  readonly #settle: Settle;
  readonly #timer: NodeJS.Timeout;
  #controller: Dispatcher.DispatchController | undefined;
  #givenUp: Error | undefined;
  #statusCode = 0;
  #signature: string | undefined;
  #first: Uint8Array | undefined;
  #gathered: Gathered | undefined;
  #received = 0;
  #isSettled = false;

  constructor(timeoutMs: number, settle: Settle) {
    this.#settle = settle;
    // After a while in which the process stood still, timers come before sockets are read. What has come by then counts.
    this.#timer = setTimeout(() => setImmediate(() => this.#timeOut()), timeoutMs);
  }

  onRequestStart(controller: Dispatcher.DispatchController): void {
    this.#controller = controller;
    if (this.#givenUp !== undefined) controller.abort(this.#givenUp);
  }

  onResponseStart(
    _: Dispatcher.DispatchController,
    statusCode: number,
    headers: Readonly<Record<string, string | string[] | undefined>>,
  ): void {
    const signature = headers[AUTH_HEADER];
    this.#statusCode = statusCode;
    this.#signature = Array.isArray(signature) ? signature[0] : signature;
  }

  onResponseData(_: Dispatcher.DispatchController, chunk: Uint8Array): void {
    if (this.#givenUp !== undefined) return;
    if (this.#first === undefined) this.#first = chunk;
    else {
      this.#gathered ??= new Gathered(this.#first, 0);
      this.#gathered.add(chunk);
    }
    this.#received += chunk.length;
    if (this.#statusCode === 200 || this.#received <= PROBLEM_MAX_BYTES) return;
    this.#resolve();
    this.#giveUp(CUT_SHORT);
  }

  onResponseEnd(): void {
    this.#resolve();
    this.#settle.over();
  }

  onResponseError(_: Dispatcher.DispatchController, error: Error): void {
    clearTimeout(this.#timer);
    this.#isSettled = true;
    this.#settle.reject(error);
    this.#settle.over();
  }

  #timeOut(): void {
    if (!this.#isSettled) this.#giveUp(new PeerFault({ code: "timeout" }));
  }

  #resolve(): void {
    clearTimeout(this.#timer);
    this.#isSettled = true;
    const bytes = this.#gathered?.bytes ?? this.#first ?? new Uint8Array(0);
    this.#settle.resolve({ statusCode: this.#statusCode, signature: this.#signature, bytes });
  }

  #giveUp(reason: Error): void {
    this.#givenUp = reason;
    this.#settle.reject(reason);
    this.#controller?.abort(reason);
  }
}
