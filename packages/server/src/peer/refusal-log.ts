import type { Log } from "@hearsay/node";

/**
 * Counts messages that were refused, or came to nothing, by code, and logs each code at most once an interval, with
 * how many there were since, so that a hostile or broken peer cannot fill the log.
 */
export class RefusalLog {
  readonly #log: Log;
  readonly #event: string;
  readonly #intervalMs: number;
  readonly #nowMs: () => number;
  readonly #codes: Map<string, { count: number; unlogged: number; loggedAtMs: number }> = new Map();

  constructor(log: Log, event: string, intervalMs: number, nowMs: () => number) {
    this.#log = log;
    this.#event = event;
    this.#intervalMs = intervalMs;
    this.#nowMs = nowMs;
  }

  /** @param code one of a fixed set, so the counts are bounded */
  note(code: string, peer: string): void {
    const nowMs = this.#nowMs();
    const seen = this.#codes.get(code) ?? { count: 0, unlogged: 0, loggedAtMs: Number.NEGATIVE_INFINITY };
    this.#codes.set(code, seen);
    seen.count += 1;
    seen.unlogged += 1;
    if (nowMs - seen.loggedAtMs < this.#intervalMs) return;
    this.#log.warn(this.#event, { code, peer, count: seen.unlogged });
    seen.unlogged = 0;
    seen.loggedAtMs = nowMs;
  }

  counts(): Iterable<readonly [code: string, count: number]> {
    return [...this.#codes].map(([code, { count }]) => [code, count] as const);
  }
}
