/** The requests a machine waits for, each with what to do when it is settled. */
import type { Peer } from "../effects.ts";
import type { Outcome, SwimEffect, SwimRequest } from "./swim-messages.ts";

/** Continues with what came of a request; effects go to the end of `out`. */
export type Continuation = (outcome: Outcome, nowMs: number, out: SwimEffect[]) => void;

export class OpenRequests {
  readonly #open: Map<number, { readonly to: Peer; readonly then: Continuation }> = new Map();
  #lastId = 0;

  get size(): number {
    return this.#open.size;
  }

  ask(to: Peer, message: SwimRequest, timeoutMs: number, out: SwimEffect[], then: Continuation): void {
    this.#lastId += 1;
    this.#open.set(this.#lastId, { to, then });
    out.push({ kind: "request", id: this.#lastId, to, message, timeoutMs: Math.ceil(timeoutMs) });
  }

  /** Takes a request out. Undefined when it is not open, as for a replayed reply. */
  settle(id: number): { readonly to: Peer; readonly then: Continuation } | undefined {
    const request = this.#open.get(id);
    this.#open.delete(id);
    return request;
  }
}
