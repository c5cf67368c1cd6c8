/**
 * The contract of the protocol machines. A machine is a class whose methods take an input and the present
 * (milliseconds of a monotonic clock) and return effects; it owns no timer, no socket, no disk and no
 * randomness but the generator it was given. The driver performs the effects in order and feeds back what comes
 * of them. Server and simulator drive the same machines.
 */
import type { NodeId } from "./identity.ts";

/** Whom to reach and where: messages go to addresses (`host:port`), the id tells who is expected there. */
export interface Peer {
  readonly id: NodeId;
  readonly address: string;
}

/** Asks a peer; the driver feeds back its reply or the failure under the same `id`, exactly once. */
export interface RequestEffect<Request> {
  readonly kind: "request";
  /** Chosen by the machine, unique among its open requests. */
  readonly id: number;
  readonly to: Peer;
  readonly message: Request;
  readonly timeoutMs: number;
}

/** Answers a peer's request; `token` is what the driver gave with it. A request that is never answered times out there. */
export interface ReplyEffect<Reply> {
  readonly kind: "reply";
  readonly token: number;
  readonly message: Reply;
}

/** Feeds the timer back after the delay. Timers are values: a machine ignores one that it no longer waits for. */
export interface TimerEffect<Timer> {
  readonly kind: "timer";
  readonly timer: Timer;
  readonly afterMs: number;
}

/** Something the rest of the node wants to know. */
export interface EventEffect<Event> {
  readonly kind: "event";
  readonly event: Event;
}

export type Effect<Request, Reply, Timer, Event> =
  | RequestEffect<Request>
  | ReplyEffect<Reply>
  | TimerEffect<Timer>
  | EventEffect<Event>;

/** Why a request came to nothing. `refused` carries the peer's stable code. */
export type RequestFailure =
  | { readonly kind: "unreachable" }
  | { readonly kind: "timeout" }
  | { readonly kind: "refused"; readonly code: string };
