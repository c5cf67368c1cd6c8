/** How soon a node that has to start again may do so: at once, but not more often than every so many milliseconds. */
export class RestartPace {
  readonly #minIntervalMs: number;
  #nextMs: number = 0;
  #isFirst: boolean = true;

  constructor(minIntervalMs: number) {
    this.#minIntervalMs = minIntervalMs;
  }

  /** @param nowMs on a monotonic clock */
  started(nowMs: number): void {
    // The start that an operator asked for does not count.
    if (!this.#isFirst) this.#nextMs = nowMs + this.#minIntervalMs;
    this.#isFirst = false;
  }

  delayMs(nowMs: number): number {
    return Math.max(0, this.#nextMs - nowMs);
  }
}
