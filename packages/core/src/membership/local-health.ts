/**
 * Lifeguard's local health (Dadgar, Phillips, Currey, 2018, section 3.1): a node that keeps missing answers
 * suspects itself first, and gives the others more time.
 */
export class LocalHealth {
  readonly #max: number;
  #score = 0;

  /** @param max bound of the multiplier, at least 1 */
  constructor(max: number) {
    this.#max = max;
  }

  /** 0 when healthy, up to `max - 1`. */
  get score(): number {
    return this.#score;
  }

  improve(): void {
    this.#score = Math.max(0, this.#score - 1);
  }

  worsen(by: number): void {
    this.#score = Math.min(this.#max - 1, this.#score + by);
  }

  /** Stretches a time by the multiplier, score + 1. */
  scale(ms: number): number {
    return ms * (this.#score + 1);
  }
}
