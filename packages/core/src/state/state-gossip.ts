/**
 * Spreads node states: digest, then digest and delta, then delta. One exchange makes both sides equal, as far as the
 * message bound allows, so in rounds of one exchange per node a change reaches all in O(log n) rounds.
 */
import type { Effect, Peer } from "../effects.ts";
import type { NodeId } from "../identity.ts";
import type { RandomSource } from "../random.ts";
import type { PeerSampler } from "../sampling/peer-sampler.ts";
import type { StateDelta, StateReply, StateRequest } from "./messages.ts";
import { type DeltaOutcome, fitDeltas, type NodeStates } from "./node-states.ts";

export interface StateGossipOptions {
  readonly intervalMs: number;
  /** No digests and no deltas of one message are estimated larger than this; the two together at most twice. */
  readonly maxPartBytes: number;
  readonly requestTimeoutMs: number;
}

export const DEFAULT_STATE_GOSSIP_OPTIONS: StateGossipOptions = {
  // All of 128 nodes know a change after at most seven rounds; each then sends about 17 kB/s if all change every second.
  intervalMs: 1000,
  // Digests of a thousand nodes, or all states of a hundred.
  maxPartBytes: 64 * 1024,
  requestTimeoutMs: 1000,
};

/** In an interval; meetings beyond that are left out. Two, because those that come once an interval with jitter may come so close. */
const MAX_MEETINGS = 2;

export type StateGossipOptionsFault = {
  readonly code: "option_out_of_range";
  readonly option: keyof StateGossipOptions;
  readonly min: number;
};

export function validateStateGossipOptions(options: StateGossipOptions): readonly StateGossipOptionsFault[] {
  // One entry of the longest key and text has to fit, or it would never get through.
  const minima = [
    ["intervalMs", 1],
    ["maxPartBytes", 4096],
    ["requestTimeoutMs", 1],
  ] as const;
  return minima.flatMap(([option, min]) =>
    options[option] >= min ? [] : [{ code: "option_out_of_range", option, min } as const],
  );
}

export interface StateTimer {
  readonly kind: "state_gossip";
}

/** A node's state changed here; `outranked` says that this node had to begin a new generation of its own. */
export type StateEvent =
  | { readonly kind: "state_changed"; readonly node: NodeId }
  | { readonly kind: "state_outranked"; readonly generation: number };

export type StateEffect = Effect<StateRequest, StateReply, StateTimer, StateEvent>;

export class StateGossip {
  readonly #states: NodeStates;
  readonly #options: StateGossipOptions;
  readonly #sampler: PeerSampler;
  readonly #random: RandomSource;
  readonly #ignored = { stale: 0, gap: 0, retired: 0, over_limit: 0, stranger: 0, malformed: 0 };
  #open: { readonly id: number; readonly to: Peer } | undefined;
  #lastId = 0;
  /** Meetings since the timer last rang. */
  #meetings = 0;

  /** @param options checked with `validateStateGossipOptions` */
  constructor(states: NodeStates, options: StateGossipOptions, sampler: PeerSampler, random: RandomSource) {
    this.#states = states;
    this.#options = options;
    this.#sampler = sampler;
    this.#random = random;
  }

  /** Deltas that changed nothing because of a rule or a limit, by reason. */
  get ignored(): Readonly<
    Record<"stale" | "gap" | "retired" | "over_limit" | "stranger" | "malformed", number>
  > {
    return this.#ignored;
  }

  /** The first round comes at a random time within the interval, so that nodes started together spread out. */
  start(): readonly StateEffect[] {
    return [this.#timer(this.#random.next() * this.#options.intervalMs)];
  }

  /** @param stretch times the interval until the next round: 1, or more while nothing is going on */
  onTimer(stretch: number = 1): readonly StateEffect[] {
    const timer = this.#timer(this.#options.intervalMs * stretch);
    const isDue = this.#meetings === 0;
    this.#meetings = 0;
    const [to] = isDue ? this.#sampler.sample(1) : [];
    return to === undefined ? [timer] : [timer, ...this.#round(to)];
  }

  /**
   * A round with a peer that has news of this node's making, or this node of its; it takes the place of the next one that
   * is due, so that it costs nothing.
   */
  meet(to: Peer): readonly StateEffect[] {
    if (this.#meetings >= MAX_MEETINGS) return [];
    this.#meetings += 1;
    return this.#round(to);
  }

  onRequest(token: number, request: StateRequest): readonly StateEffect[] {
    if (request.kind === "state-delta") {
      const effects = this.#apply(request.deltas);
      return [...effects, { kind: "reply", token, message: { kind: "state-done" } }];
    }
    const deltas = this.#fit(this.#states.ahead(request.digests, request.whole));
    const digests = this.#states.behind(request.digests);
    return [{ kind: "reply", token, message: { kind: "state-answer", digests, deltas } }];
  }

  onReply(id: number, reply: StateReply): readonly StateEffect[] {
    const open = this.#open;
    if (open?.id !== id) return [];
    this.#open = undefined;
    if (reply.kind === "state-done") return [];
    const effects = this.#apply(reply.deltas);
    const deltas = this.#fit(this.#states.ahead(reply.digests, false));
    return deltas.length === 0
      ? effects
      : [...effects, this.#request(open.to, { kind: "state-delta", deltas })];
  }

  onFailure(id: number): void {
    if (this.#open?.id === id) this.#open = undefined;
  }

  #round(to: Peer): readonly StateEffect[] {
    if (this.#open !== undefined) return [];
    const digests = this.#states.digests(this.#options.maxPartBytes, this.#random);
    return [this.#request(to, { kind: "state-digest", ...digests })];
  }

  #apply(deltas: readonly StateDelta[]): readonly StateEffect[] {
    const effects: StateEffect[] = [];
    for (const delta of deltas) {
      const outcome: DeltaOutcome = this.#states.apply(delta);
      if (outcome === "nothing_new") continue;
      if (outcome === "applied") {
        effects.push({ kind: "event", event: { kind: "state_changed", node: delta.node } });
      } else if (outcome === "outranked") {
        this.#states.outrank(delta.generation);
        const { generation } = this.#states.self;
        effects.push({ kind: "event", event: { kind: "state_outranked", generation } });
      } else this.#ignored[outcome] += 1;
    }
    return effects;
  }

  #fit(deltas: readonly StateDelta[]): readonly StateDelta[] {
    return fitDeltas(deltas, this.#options.maxPartBytes, this.#random);
  }

  #request(to: Peer, message: StateRequest): StateEffect {
    this.#lastId += 1;
    this.#open = { id: this.#lastId, to };
    return { kind: "request", id: this.#lastId, to, message, timeoutMs: this.#options.requestTimeoutMs };
  }

  #timer(afterMs: number): StateEffect {
    return { kind: "timer", timer: { kind: "state_gossip" }, afterMs };
  }
}
