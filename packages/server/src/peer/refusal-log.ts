import { type Log, RepeatLog } from "@hearsay/node";

/** Counts messages that were refused, or came to nothing, by code, and logs them at a limited rate. */
export class RefusalLog {
  readonly #event: string;
  readonly #lines: RepeatLog;
  readonly #codes: Map<string, number> = new Map();

  constructor(log: Log, event: string, intervalMs: number, nowMs: () => number) {
    this.#event = event;
    this.#lines = new RepeatLog(log, intervalMs, nowMs);
  }

  /** @param code one of a fixed set, so the counts are bounded */
  note(code: string, peer: string): void {
    this.#codes.set(code, (this.#codes.get(code) ?? 0) + 1);
    this.#lines.note(this.#event, { code, peer });
  }

  counts(): Iterable<readonly [code: string, count: number]> {
    return [...this.#codes];
  }
}
