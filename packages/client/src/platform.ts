/** The doors to the outside. Tests and unusual platforms hand in their own; the defaults are the global ones. */

import { onAbort } from "./aborts.ts";

/** Everything `fetch` needs for one attempt. */
export interface FetchInit {
  readonly method: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly body?: Uint8Array | ReadableStream<Uint8Array>;
  /** Set with a streamed body: the answer is read after the request is written. */
  readonly duplex?: "half";
  /** A node never redirects; following one would send a write to a stranger. */
  readonly redirect: "error";
  readonly signal: AbortSignal;
  /** The client's longest wait for the answer or its next part. `fetch` knows no such thing: for those who stand in for it. */
  readonly timeoutMs: number;
}

export interface Platform {
  fetch(url: string, init: FetchInit): Promise<Response>;
  /** Uniform in [0, 1). */
  random(): number;
  /** Wall clock in milliseconds since the epoch. */
  nowMs(): number;
  /** Calls back once after so many milliseconds; the returned function cancels it. */
  schedule(ms: number, callback: () => void): () => void;
}

export const defaultPlatform: Platform = {
  fetch: (url, init) => fetch(url, init),
  random: () => Math.random(),
  nowMs: () => Date.now(),
  schedule: (ms, callback) => {
    const timer = setTimeout(callback, ms);
    return () => clearTimeout(timer);
  },
};

/** Settles after the delay; rejects with the signal's reason when it is aborted first. */
export function sleep(platform: Platform, ms: number, signal: AbortSignal | undefined): Promise<void> {
  return new Promise((resolve, reject) => {
    if (signal?.aborted) return reject(signal.reason);
    const cancel = platform.schedule(ms, () => {
      leave?.();
      resolve();
    });
    const leave =
      signal &&
      onAbort(signal, () => {
        cancel();
        reject(signal.reason);
      });
  });
}

/**
 * Aborts its signal when nothing has happened for `ms` or when the caller's signal is aborted. `dispose` lets go of
 * both, so that a signal that lives long gathers no listeners.
 */
export class Deadline {
  readonly #platform: Platform;
  readonly #controller: AbortController = new AbortController();
  #ms: number;
  readonly #leaveCaller: (() => void) | undefined;
  #cancelTimer: () => void;
  #expired = false;

  constructor(platform: Platform, ms: number, caller: AbortSignal | undefined) {
    this.#platform = platform;
    this.#ms = ms;
    const abort = (): void => this.#controller.abort(caller?.reason);
    if (caller?.aborted) abort();
    else this.#leaveCaller = caller && onAbort(caller, abort);
    this.#cancelTimer = this.#arm();
  }

  get signal(): AbortSignal {
    return this.#controller.signal;
  }

  /** True once it was the time-out, not the caller, that ended the wait. */
  get expired(): boolean {
    return this.#expired;
  }

  /** How long it waits. */
  get ms(): number {
    return this.#ms;
  }

  /** From the next wait on it is so long. */
  allow(ms: number): void {
    this.#ms = ms;
  }

  /** Something arrived, and it is the caller who takes time now. */
  pause(): void {
    this.#cancelTimer();
  }

  /** The wait starts anew. */
  renew(): void {
    this.#cancelTimer();
    this.#cancelTimer = this.#arm();
  }

  dispose(): void {
    this.#cancelTimer();
    this.#leaveCaller?.();
  }

  #arm(): () => void {
    return this.#platform.schedule(this.ms, () => {
      if (this.#controller.signal.aborted) return;
      this.#expired = true;
      this.#controller.abort(new Error(`no answer within ${this.ms} ms`));
    });
  }
}
