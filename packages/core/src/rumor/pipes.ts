import type { Peer } from "../effects.ts";
import type { NodeId } from "../identity.ts";
import { TransientMap } from "../transient-map.ts";
import { countCarried, type RumorCounters } from "./counters.ts";
import type { HotRumor } from "./hot-list.ts";
import type { RumorOptions } from "./options.ts";
import type { Outbox } from "./outbox.ts";
import { type InFlight, Pipe } from "./pipe.ts";

/** The pipes in use, by peer and by the request that is in flight on them. A pipe with nothing to remember is let go. */
export class Pipes {
  readonly #options: RumorOptions;
  readonly #outbox: Outbox;
  readonly #counters: RumorCounters;
  readonly #goesInline: (rumor: HotRumor) => boolean;
  readonly #byPeer = new TransientMap<NodeId, Pipe>();
  readonly #byRequest = new TransientMap<number, Pipe>();
  #lastRequest = 0;

  /** @param goesInline whether a rumor's record travels with its first offer */
  constructor(
    options: RumorOptions,
    outbox: Outbox,
    counters: RumorCounters,
    goesInline: (rumor: HotRumor) => boolean,
  ) {
    this.#options = options;
    this.#outbox = outbox;
    this.#counters = counters;
    this.#goesInline = goesInline;
  }

  /** Requests in flight. */
  get inFlight(): number {
    return this.#byRequest.size;
  }

  get isEmpty(): boolean {
    return this.#byPeer.size === 0;
  }

  all(): Iterable<Pipe> {
    return this.#byPeer.values();
  }

  to(peer: Peer): Pipe {
    let pipe = this.#byPeer.get(peer.id);
    if (pipe === undefined) {
      pipe = new Pipe(peer);
      this.#byPeer.set(peer.id, pipe);
    }
    return pipe;
  }

  isResting(peer: NodeId, now: number): boolean {
    const pipe = this.#byPeer.get(peer);
    return pipe !== undefined && now < pipe.resumeAtMs;
  }

  /** Sends what waits, unless a request is in flight, the peer is left alone, or it is mail that lingers. */
  flush(pipe: Pipe, now: number): void {
    if (pipe.inFlight !== undefined || now < pipe.resumeAtMs) return;
    // Where rumors only travel in replies, nothing else would bring the answers in time.
    const answersAlone = this.#options.mode === "pull" && pipe.answers !== undefined;
    if (!pipe.hasSomethingToSay && !answersAlone) return;
    if (pipe.lingers(now, this.#options)) {
      this.#outbox.schedule("mail", pipe.leavesAtMs, now);
      return;
    }
    this.#lastRequest += 1;
    const { message, contacts } = pipe.compose(this.#lastRequest, this.#options, this.#goesInline);
    for (const rumor of contacts.values()) rumor.sends += 1;
    this.#byRequest.set(this.#lastRequest, pipe);
    this.#counters.requests += 1;
    countCarried(this.#counters, message.rumors);
    this.#outbox.push({
      kind: "request",
      id: this.#lastRequest,
      to: pipe.peer,
      message,
      timeoutMs: this.#options.requestTimeoutMs,
    });
  }

  /** The request is over. Undefined when it was not in flight. */
  finish(id: number): { readonly pipe: Pipe; readonly sent: InFlight } | undefined {
    const pipe = this.#byRequest.get(id);
    const sent = pipe?.inFlight;
    if (pipe === undefined || sent === undefined) return undefined;
    this.#byRequest.delete(id);
    pipe.inFlight = undefined;
    return { pipe, sent };
  }

  release(pipe: Pipe, now: number): void {
    if (pipe.isIdle(now)) this.#byPeer.delete(pipe.peer.id);
  }
}
