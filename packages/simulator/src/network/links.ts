/** The state of each directed link between two addresses, and of the network as a whole. */
import type { RandomSource } from "@hearsay/core";

const LATENCY_MS = 1;

/** Why messages were held up or lost, counted. */
export type LinkEvent = "lost" | "duplicated" | "overtaken" | "delayed" | "cut" | "slow";

export class Links {
  /** The chance that a message, or the answer to one, is lost. */
  lossRate = 0;
  /** The longest that a message takes beyond the least: with it, later messages overtake earlier ones. */
  jitterMs = 0;
  /** The chance that a request arrives twice. */
  duplicateRate = 0;
  /** How much later the second one may come. */
  duplicateDelayMs = 0;
  /** Whether a cut link swallows messages, or says at once that the peer is unreachable. */
  isSilent = false;
  readonly #cuts: Set<string> = new Set();
  readonly #delays: Map<string, number> = new Map();
  readonly #slow: Map<string, number> = new Map();
  readonly #random: RandomSource;

  constructor(random: RandomSource) {
    this.#random = random;
  }

  /** Cuts the link from one address to another, and not the way back. */
  cut(from: string, to: string): void {
    this.#cuts.add(`${from}>${to}`);
  }

  mend(from: string, to: string): void {
    this.#cuts.delete(`${from}>${to}`);
  }

  isCut(from: string, to: string): boolean {
    return this.#cuts.size > 0 && this.#cuts.has(`${from}>${to}`);
  }

  /** Adds so much to every message on this link; 0 takes it back. */
  delay(from: string, to: string, ms: number): void {
    if (ms === 0) this.#delays.delete(`${from}>${to}`);
    else this.#delays.set(`${from}>${to}`, ms);
  }

  /** Lets an address take and give its answers slowly; 0 takes it back. */
  slow(address: string, ms: number): void {
    if (ms === 0) this.#slow.delete(address);
    else this.#slow.set(address, ms);
  }

  /** Mends every link. */
  mendAll(): void {
    this.#cuts.clear();
    this.#delays.clear();
  }

  /** Makes the network what it is without faults. */
  heal(): void {
    this.mendAll();
    this.#slow.clear();
    this.lossRate = 0;
    this.jitterMs = 0;
    this.duplicateRate = 0;
    this.isSilent = false;
  }

  /** The time a message takes from one address to the other. */
  latencyMs(from: string, to: string, happened: (event: LinkEvent) => void): number {
    let ms = LATENCY_MS;
    if (this.jitterMs > 0) {
      const jitterMs = this.#random.next() * this.jitterMs;
      ms += jitterMs;
      if (jitterMs > LATENCY_MS) happened("overtaken");
    }
    const delayMs = this.#delays.size === 0 ? undefined : this.#delays.get(`${from}>${to}`);
    if (delayMs !== undefined) {
      ms += delayMs;
      happened("delayed");
    }
    return ms;
  }

  /** How long an address takes to read a request or to give an answer. */
  slownessMs(address: string, happened: (event: LinkEvent) => void): number {
    const ms = this.#slow.size === 0 ? undefined : this.#slow.get(address);
    if (ms === undefined) return 0;
    happened("slow");
    return ms * this.#random.next();
  }

  isLost(happened: (event: LinkEvent) => void): boolean {
    if (this.lossRate === 0 || this.#random.next() >= this.lossRate) return false;
    happened("lost");
    return true;
  }

  /** When a second copy of a request arrives after the first; undefined for none. */
  duplicateAfterMs(happened: (event: LinkEvent) => void): number | undefined {
    if (this.duplicateRate === 0 || this.#random.next() >= this.duplicateRate) return undefined;
    happened("duplicated");
    return this.#random.next() * this.duplicateDelayMs;
  }
}
