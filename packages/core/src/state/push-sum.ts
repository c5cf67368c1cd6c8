/**
 * Sums, counts and averages over a cluster of which each node knows only some peers: push-sum (Kempe, Dobra and Gehrke,
 * "Gossip-Based Computation of Aggregate Information", 2003, section 2), restarted in epochs (Jelasity, Montresor and
 * Babaoglu, "Gossip-Based Aggregation in Large Dynamic Networks", 2005, section 4).
 *
 * A run is named by its epoch and its leader, the smallest id heard of in it. Each node enters a run once, with its own
 * values and a count of one; the leader alone brings weight. In each round a node keeps half of its mass and sends half.
 * Invariant: in the run that all nodes have joined, the sums add up to the cluster's and the weights to one, as long as
 * no request is lost; sum / weight converges to the cluster's sum at every node. A lost reply changes nothing, because
 * the mass has arrived; mass in a lost request is gone until the next epoch begins with all mass anew.
 */
import type { Effect, Peer, RequestFailure } from "../effects.ts";
import type { NodeId } from "../identity.ts";
import type { RandomSource } from "../random.ts";
import type { PeerSampler } from "../sampling/peer-sampler.ts";
import type { MassReply, MassRequest } from "./messages.ts";

export interface PushSumOptions {
  readonly intervalMs: number;
  /** Rounds from one restart to the next. */
  readonly epochRounds: number;
  readonly requestTimeoutMs: number;
  /** Sums carried at most, this node's own among them; further names are ignored. */
  readonly maxSums: number;
}

export const DEFAULT_PUSH_SUM_OPTIONS: PushSumOptions = {
  intervalMs: 1000,
  // The leader's id and its weight reach 1,000 nodes in about 20 rounds, and each further round about halves the error.
  epochRounds: 50,
  requestTimeoutMs: 1000,
  maxSums: 16,
};

export type PushSumOptionsFault = {
  readonly code: "option_out_of_range";
  readonly option: keyof PushSumOptions;
  readonly min: number;
};

export function validatePushSumOptions(options: PushSumOptions): readonly PushSumOptionsFault[] {
  const minima = [
    ["intervalMs", 1],
    ["epochRounds", 4],
    ["requestTimeoutMs", 1],
    ["maxSums", 1],
  ] as const;
  return minima.flatMap(([option, min]) =>
    options[option] >= min ? [] : [{ code: "option_out_of_range", option, min } as const],
  );
}

/** The name under which nodes count themselves. */
const COUNT = "";

export interface PushSumEstimate {
  readonly epoch: number;
  /** Estimated nodes in the cluster. */
  readonly size: number;
  readonly sums: ReadonlyMap<string, number>;
  readonly averages: ReadonlyMap<string, number>;
}

export interface PushSumTimer {
  readonly kind: "push_sum";
}

/** The estimate an epoch ended with. */
export interface PushSumEvent {
  readonly kind: "push_sum_estimate";
  readonly estimate: PushSumEstimate;
}

export type PushSumEffect = Effect<MassRequest, MassReply, PushSumTimer, PushSumEvent>;

interface Mass {
  weight: number;
  readonly sums: Map<string, number>;
}

export class PushSum {
  readonly #self: NodeId;
  readonly #options: PushSumOptions;
  readonly #sampler: PeerSampler;
  readonly #random: RandomSource;
  readonly #valuesNow: () => ReadonlyMap<string, number>;
  #epoch = 0;
  #rounds = 0;
  #leader: NodeId;
  #mass: Mass;
  #sent:
    | { readonly id: number; readonly epoch: number; readonly leader: NodeId; readonly mass: Mass }
    | undefined;
  #lastId = 0;

  /**
   * @param options checked with `validatePushSumOptions`
   * @param valuesNow this node's own numbers by name, read when it enters a run; names are not empty
   */
  constructor(
    self: NodeId,
    options: PushSumOptions,
    sampler: PeerSampler,
    random: RandomSource,
    valuesNow: () => ReadonlyMap<string, number>,
  ) {
    this.#self = self;
    this.#options = options;
    this.#sampler = sampler;
    this.#random = random;
    this.#valuesNow = valuesNow;
    this.#leader = self;
    this.#mass = this.#ownMass(1);
  }

  get epoch(): number {
    return this.#epoch;
  }

  get leader(): NodeId {
    return this.#leader;
  }

  /** This node's share of the run's weight. */
  get weight(): number {
    return this.#mass.weight;
  }

  /** Undefined until some of the leader's weight has come here. */
  get estimate(): PushSumEstimate | undefined {
    const { weight, sums } = this.#mass;
    const count = sums.get(COUNT) ?? 0;
    if (weight <= 0 || count <= 0) return undefined;
    const named = [...sums].filter(([name]) => name !== COUNT);
    return {
      epoch: this.#epoch,
      size: count / weight,
      sums: new Map(named.map(([name, sum]) => [name, sum / weight])),
      averages: new Map(named.map(([name, sum]) => [name, sum / count])),
    };
  }

  start(): readonly PushSumEffect[] {
    return [this.#timer(this.#random.next() * this.#options.intervalMs)];
  }

  onTimer(): readonly PushSumEffect[] {
    const effects: PushSumEffect[] = [this.#timer(this.#options.intervalMs)];
    this.#rounds += 1;
    if (this.#rounds > this.#options.epochRounds) effects.push(...this.#enterEpoch(this.#epoch + 1));
    const [to] = this.#sampler.sample(1);
    if (to === undefined || this.#sent !== undefined) return effects;
    effects.push(this.#sendHalf(to));
    return effects;
  }

  onRequest(token: number, request: MassRequest): readonly PushSumEffect[] {
    const effects = [...this.#follow(request.epoch, request.leader)];
    if (this.#isIn(request) && isSound(request)) {
      this.#mass.weight += request.weight;
      for (const [name, sum] of request.sums) this.#addSum(name, sum);
    }
    const message = { kind: "mass-reply", epoch: this.#epoch, leader: this.#leader } as const;
    return [...effects, { kind: "reply", token, message }];
  }

  onReply(id: number, reply: MassReply): readonly PushSumEffect[] {
    if (this.#sent?.id !== id) return [];
    this.#sent = undefined;
    return this.#follow(reply.epoch, reply.leader);
  }

  onFailure(id: number, failure: RequestFailure): void {
    const sent = this.#sent;
    if (sent?.id !== id) return;
    this.#sent = undefined;
    // Only then is it certain that the peer has not taken the mass; taking it back after a time-out could count it twice.
    if (failure.kind !== "unreachable" || !this.#isIn(sent)) return;
    this.#mass.weight += sent.mass.weight;
    for (const [name, sum] of sent.mass.sums) this.#addSum(name, sum);
  }

  #sendHalf(to: Peer): PushSumEffect {
    const half = halved(this.#mass);
    this.#mass = halved(this.#mass);
    this.#lastId += 1;
    this.#sent = { id: this.#lastId, epoch: this.#epoch, leader: this.#leader, mass: half };
    return {
      kind: "request",
      id: this.#lastId,
      to,
      message: {
        kind: "mass",
        epoch: this.#epoch,
        leader: this.#leader,
        weight: half.weight,
        sums: [...half.sums],
      },
      timeoutMs: this.#options.requestTimeoutMs,
    };
  }

  /** Goes over to a later epoch, and within an epoch to a smaller leader, entering that run with this node's own mass. */
  #follow(epoch: number, leader: NodeId): readonly PushSumEffect[] {
    if (!Number.isSafeInteger(epoch)) return [];
    const effects = epoch > this.#epoch ? this.#enterEpoch(epoch) : [];
    if (epoch === this.#epoch && leader < this.#leader) {
      this.#leader = leader;
      this.#mass = this.#ownMass(0);
    }
    return effects;
  }

  #enterEpoch(epoch: number): readonly PushSumEffect[] {
    const estimate = this.estimate;
    const ripe = this.#rounds >= this.#options.epochRounds / 2;
    this.#epoch = epoch;
    this.#rounds = 0;
    this.#leader = this.#self;
    this.#mass = this.#ownMass(1);
    if (estimate === undefined || !ripe) return [];
    return [{ kind: "event", event: { kind: "push_sum_estimate", estimate } }];
  }

  #ownMass(weight: number): Mass {
    return { weight, sums: new Map([[COUNT, 1], ...this.#valuesNow()]) };
  }

  /** Nodes of another build may sum what this one does not know; their mass has to be passed on, within bounds. */
  #addSum(name: string, sum: number): void {
    const held = this.#mass.sums.get(name);
    if (held === undefined && this.#mass.sums.size > this.#options.maxSums) return;
    this.#mass.sums.set(name, (held ?? 0) + sum);
  }

  #isIn(run: { readonly epoch: number; readonly leader: NodeId }): boolean {
    return run.epoch === this.#epoch && run.leader === this.#leader;
  }

  #timer(afterMs: number): PushSumEffect {
    return { kind: "timer", timer: { kind: "push_sum" }, afterMs };
  }
}

function halved(mass: Mass): Mass {
  return { weight: mass.weight / 2, sums: new Map([...mass.sums].map(([name, sum]) => [name, sum / 2])) };
}

/** One infinity or NaN would spread to every node; a weight outside (0, 1] cannot come from a run. */
function isSound(request: MassRequest): boolean {
  return request.weight >= 0 && request.weight <= 1 && request.sums.every(([, sum]) => Number.isFinite(sum));
}
