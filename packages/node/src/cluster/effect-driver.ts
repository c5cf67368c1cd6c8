import { type Effect, type Peer, type RequestFailure, TransientMap } from "@hearsay/core";
import { PeerFault } from "../peer-fault.ts";
import type { Timers } from "./ports.ts";

/** What a machine does with what comes of its effects; each returns further effects. */
export interface Machine<Request, Reply, Answer, Timer, Event> {
  answered(id: number, answer: Answer): readonly Effect<Request, Reply, Timer, Event>[];
  failed(id: number, failure: RequestFailure): readonly Effect<Request, Reply, Timer, Event>[];
  timer(timer: Timer): readonly Effect<Request, Reply, Timer, Event>[];
  event(event: Event): void;
  /** Effects of one step have been performed, all in one turn. */
  performed?(): void;
}

interface Started {
  readonly finished: Promise<void>;
}

interface Waiting<Reply> {
  readonly resolve: (reply: Reply) => void;
  readonly reject: (fault: PeerFault) => void;
}

/**
 * Turns a machine's effects into calls on ports and feeds back what comes of them. After {@link stop} nothing is fed
 * back any more, timers that are set are taken back, and peers that wait for a reply are told to come back later.
 */
export class EffectDriver<Request, Reply, Answer, Timer, Event> {
  readonly #machine: Machine<Request, Reply, Answer, Timer, Event>;
  readonly #send: (to: Peer, message: Request, timeoutMs: number) => Promise<Answer>;
  readonly #timers: Timers;
  readonly #waiting: TransientMap<number, Waiting<Reply>> = new TransientMap();
  readonly #armed: TransientMap<number, () => void> = new TransientMap();
  #lastToken = 0;
  #stopped = false;

  /** @param send rejects with a PeerFault, or with what stops the node */
  constructor(
    machine: Machine<Request, Reply, Answer, Timer, Event>,
    send: (to: Peer, message: Request, timeoutMs: number) => Promise<Answer>,
    timers: Timers,
  ) {
    this.#machine = machine;
    this.#send = send;
    this.#timers = timers;
  }

  perform(effects: readonly Effect<Request, Reply, Timer, Event>[]): void {
    if (!this.#stopped) this.#start(effects);
  }

  /** Performs the effects; settles when the answers to the requests among them, or their failures, were fed back. */
  async settled(effects: readonly Effect<Request, Reply, Timer, Event>[]): Promise<void> {
    await Promise.all(this.#start(effects).map((request) => request.finished));
  }

  #start(effects: readonly Effect<Request, Reply, Timer, Event>[]): Started[] {
    const requests: Started[] = [];
    for (const effect of effects) {
      switch (effect.kind) {
        case "request":
          requests.push({ finished: this.#request(effect.id, effect.to, effect.message, effect.timeoutMs) });
          break;
        case "reply":
          this.#waiting.get(effect.token)?.resolve(effect.message);
          this.#waiting.delete(effect.token);
          break;
        case "timer":
          this.#arm(effect.timer, effect.afterMs);
          break;
        case "event":
          this.#machine.event(effect.event);
      }
    }
    this.#machine.performed?.();
    return requests;
  }

  /**
   * Lets the machine take a request, and settles with the reply it makes to it, at once or later.
   * @throws PeerFault `busy` when this driver stops before there is one
   */
  serve(take: (token: number) => readonly Effect<Request, Reply, Timer, Event>[]): Promise<Reply> {
    this.#lastToken += 1;
    const token = this.#lastToken;
    return new Promise((resolve, reject) => {
      if (this.#stopped) {
        reject(new PeerFault({ code: "busy" }));
        return;
      }
      this.#waiting.set(token, { resolve, reject });
      this.perform(take(token));
    });
  }

  stop(): void {
    this.#stopped = true;
    for (const cancel of this.#armed.values()) cancel();
    for (const { reject } of this.#waiting.values()) reject(new PeerFault({ code: "busy" }));
  }

  #request(id: number, to: Peer, message: Request, timeoutMs: number): Promise<void> {
    return this.#send(to, message, timeoutMs).then(
      (answer) => this.#feed(() => this.#machine.answered(id, answer)),
      (error: unknown) => this.#feed(() => this.#machine.failed(id, failureOf(error))),
    );
  }

  #arm(timer: Timer, afterMs: number): void {
    if (this.#stopped) return;
    this.#lastToken += 1;
    const token = this.#lastToken;
    const cancel = this.#timers.after(afterMs, () => {
      this.#armed.delete(token);
      this.#feed(() => this.#machine.timer(timer));
    });
    this.#armed.set(token, cancel);
  }

  #feed(step: () => readonly Effect<Request, Reply, Timer, Event>[]): void {
    if (!this.#stopped) this.#start(step());
  }
}

/** What a machine is told of a request that failed, be it at the peer or in this node's own store. */
function failureOf(error: unknown): RequestFailure {
  if (!(error instanceof PeerFault)) return { kind: "refused", code: "failed_here" };
  const { reason } = error;
  if (reason.code === "timeout" || reason.code === "unreachable") return { kind: reason.code };
  // A node that opens its directory, say: none is there yet that could refuse.
  if (reason.code === "refused" && reason.reason === "not_ready") return { kind: "unreachable" };
  return { kind: "refused", code: reason.code === "refused" ? reason.reason : reason.code };
}
