/** Lifeguard's dynamic suspicion (Dadgar, Phillips, Currey, 2018, section 3.2; the floors as in memberlist). */
import type { NodeId } from "../identity.ts";
import type { SwimConfig } from "./swim-config.ts";

/** Shortest time from suspect to dead among `n` live members, in milliseconds. */
export function suspicionMinMs(mult: number, n: number, probeIntervalMs: number): number {
  const scale = Math.max(1, Math.log10(Math.max(1, n)));
  return (mult * Math.floor(scale * 1_000) * probeIntervalMs) / 1_000;
}

/**
 * Time from suspect to dead after `confirmations` accusers besides the first: from `maxMs` down to `minMs`, the
 * first confirmations shortening it most. Without a wanted number of confirmations it is `minMs` at once.
 */
export function suspicionTimeoutMs(
  confirmations: number,
  wanted: number,
  minMs: number,
  maxMs: number,
): number {
  if (wanted < 1) return minMs;
  const share = Math.log(confirmations + 1) / Math.log(wanted + 1);
  return Math.max(minMs, Math.floor(maxMs - share * (maxMs - minMs)));
}

/** One member under suspicion, at one generation. */
export class Suspicion {
  readonly generation: number;
  readonly #startedAtMs: number;
  readonly #minMs: number;
  readonly #maxMs: number;
  readonly #wanted: number;
  readonly #accusers: Set<NodeId>;
  #deadlineMs: number;
  #extended = false;

  /** @param accuser undefined when only the suspicion was passed on: the first accuser named later confirms nothing */
  constructor(
    config: SwimConfig,
    live: number,
    generation: number,
    accuser: NodeId | undefined,
    nowMs: number,
  ) {
    this.generation = generation;
    this.#startedAtMs = nowMs;
    this.#minMs = suspicionMinMs(config.suspicionMult, live, config.probeIntervalMs);
    this.#maxMs = this.#minMs * config.suspicionMaxTimeoutMult;
    const wanted = Math.max(0, config.suspicionMult - 2);
    // The accuser and the accused cannot confirm: with too few others the wanted number could never be reached.
    this.#wanted = live - 2 < wanted ? 0 : wanted;
    this.#accusers = new Set(accuser === undefined ? [] : [accuser]);
    this.#deadlineMs = nowMs + suspicionTimeoutMs(0, this.#wanted, this.#minMs, this.#maxMs);
  }

  get deadlineMs(): number {
    return this.#deadlineMs;
  }

  /** Counts one more accuser. False when it told nothing new, or enough have been heard. */
  confirm(accuser: NodeId): boolean {
    if (this.#accusers.size > this.#wanted || this.#accusers.has(accuser)) return false;
    this.#accusers.add(accuser);
    const timeoutMs = suspicionTimeoutMs(this.#accusers.size - 1, this.#wanted, this.#minMs, this.#maxMs);
    this.#deadlineMs = Math.min(this.#deadlineMs, this.#startedAtMs + timeoutMs);
    return true;
  }

  /** Grants one more shortest time-out from now, once. False when it has been granted before. */
  extend(nowMs: number): boolean {
    if (this.#extended) return false;
    this.#extended = true;
    this.#deadlineMs = nowMs + this.#minMs;
    return true;
  }
}
