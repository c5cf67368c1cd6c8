/**
 * φ accrual failure detection (Hayashibara, Défago, Yared, Katayama, 2004, section 4): the suspicion of a peer as a
 * number on a scale, from the inter-arrival times of its messages. It reports and orders; it never declares death.
 */
import type { NodeId } from "../identity.ts";

export interface PhiAccrualConfig {
  /** Inter-arrival times remembered per peer: enough for a steady mean, few enough to follow a change of load. */
  readonly windowSize: number;
  /** Arrivals closer than this count as one, so that a burst does not make the next quiet second look like a failure. */
  readonly minGapMs: number;
  /** Floor of the deviation: very regular arrivals must not make a small delay suspicious. */
  readonly minStdDeviationMs: number;
  /** Added to the mean: a pause of this length, as for garbage collection, is nothing unusual. */
  readonly acceptablePauseMs: number;
  /** The mean assumed after the first arrival, with a quarter of it as the deviation. */
  readonly firstGapMs: number;
  /** Peers watched at most; the one heard from longest ago gives way. */
  readonly peersMax: number;
}

export const PHI_ACCRUAL_DEFAULTS: PhiAccrualConfig = {
  windowSize: 200,
  minGapMs: 50,
  minStdDeviationMs: 100,
  acceptablePauseMs: 3_000,
  firstGapMs: 1_000,
  peersMax: 1_024,
};

export interface PhiAccrualConfigFault {
  readonly code: "phi_accrual_config";
  readonly knob: keyof PhiAccrualConfig;
  readonly rule: string;
}

/** Every rule that is broken; empty when the configuration can be used. */
export function validatePhiAccrualConfig(config: PhiAccrualConfig): PhiAccrualConfigFault[] {
  const faults: PhiAccrualConfigFault[] = [];
  const require = (holds: boolean, knob: keyof PhiAccrualConfig, rule: string): void => {
    if (!holds) faults.push({ code: "phi_accrual_config", knob, rule });
  };
  for (const knob of ["windowSize", "peersMax"] as const) {
    require(Number.isSafeInteger(config[knob]) && config[knob] >= 2, knob, "a whole number of at least 2");
  }
  for (const knob of ["minStdDeviationMs", "firstGapMs"] as const) {
    require(Number.isFinite(config[knob]) && config[knob] > 0, knob, "above 0");
  }
  for (const knob of ["minGapMs", "acceptablePauseMs"] as const) {
    require(Number.isFinite(config[knob]) && config[knob] >= 0, knob, "0 or more");
  }
  return faults;
}

/** Beyond this the formula has no digits left; it stands for certainty. */
export const PHI_MAX = 300;

/**
 * -log10 of the probability that a normal distribution leaves a gap of `elapsedMs` or more, by the logistic
 * approximation of its distribution function (error below 0.00014 in the probability).
 */
export function phi(elapsedMs: number, meanMs: number, stdDeviationMs: number): number {
  const y = (elapsedMs - meanMs) / stdDeviationMs;
  const z = y * (1.5976 + 0.070566 * y * y);
  // Of exp(z) and exp(-z) the one that does not overflow; the tail is 1 / (1 + exp(z)).
  const value = z > 0 ? z * Math.LOG10E + Math.log10(1 + Math.exp(-z)) : Math.log10(1 + Math.exp(z));
  return Math.min(PHI_MAX, value);
}

/** The inter-arrival times of one peer: a ring with running sums, so that an arrival and a reading cost O(1). */
class Arrivals {
  readonly #gaps: Float64Array;
  #count = 0;
  #at = 0;
  #sum = 0;
  #squares = 0;
  lastMs: number;

  constructor(windowSize: number, firstGapMs: number, nowMs: number) {
    this.#gaps = new Float64Array(windowSize);
    this.lastMs = nowMs;
    // Two samples whose mean is the first guess and whose deviation is a quarter of it.
    this.add(firstGapMs * 0.75);
    this.add(firstGapMs * 1.25);
  }

  add(gapMs: number): void {
    const replaced = this.#count === this.#gaps.length ? (this.#gaps[this.#at] ?? 0) : 0;
    this.#gaps[this.#at] = gapMs;
    this.#at = (this.#at + 1) % this.#gaps.length;
    this.#count = Math.min(this.#count + 1, this.#gaps.length);
    this.#sum += gapMs - replaced;
    this.#squares += gapMs * gapMs - replaced * replaced;
  }

  meanMs(): number {
    return this.#sum / this.#count;
  }

  stdDeviationMs(): number {
    const mean = this.meanMs();
    return Math.sqrt(Math.max(0, this.#squares / this.#count - mean * mean));
  }
}

export class PhiAccrual {
  readonly #config: PhiAccrualConfig;
  /** In the order of the last arrival. */
  readonly #peers: Map<NodeId, Arrivals> = new Map();
  #evicted = 0;

  constructor(config: PhiAccrualConfig) {
    this.#config = config;
  }

  /** Peers that gave way to others because too many were watched. */
  get evicted(): number {
    return this.#evicted;
  }

  /** A message of this peer arrived. */
  heard(id: NodeId, nowMs: number): void {
    const arrivals = this.#peers.get(id);
    const gapMs = arrivals === undefined ? 0 : nowMs - arrivals.lastMs;
    if (arrivals !== undefined && gapMs < this.#config.minGapMs) return;
    this.#peers.delete(id);
    if (arrivals === undefined) {
      this.#makeRoom();
      this.#peers.set(id, new Arrivals(this.#config.windowSize, this.#config.firstGapMs, nowMs));
      return;
    }
    arrivals.add(gapMs);
    arrivals.lastMs = nowMs;
    this.#peers.set(id, arrivals);
  }

  /** From 0 (just heard) up to {@link PHI_MAX}; undefined for a peer that was never heard. At 1, 2, 3 the chance of an error is about 10%, 1%, 0.1%. */
  phi(id: NodeId, nowMs: number): number | undefined {
    const arrivals = this.#peers.get(id);
    if (arrivals === undefined) return undefined;
    const { acceptablePauseMs, minStdDeviationMs } = this.#config;
    const deviation = Math.max(arrivals.stdDeviationMs(), minStdDeviationMs);
    return phi(nowMs - arrivals.lastMs, arrivals.meanMs() + acceptablePauseMs, deviation);
  }

  forget(id: NodeId): void {
    this.#peers.delete(id);
  }

  #makeRoom(): void {
    if (this.#peers.size < this.#config.peersMax) return;
    for (const id of this.#peers.keys()) {
      this.#peers.delete(id);
      this.#evicted += 1;
      return;
    }
  }
}
