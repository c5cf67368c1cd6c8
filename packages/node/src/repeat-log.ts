/**
 * Writes what may happen over and over at most once an interval for each event, code and peer, with how often it happened
 * since, so that a full disk, or a peer that is broken or hostile, cannot fill the log.
 *
 * Bound: {@link MAX_REPEATED} of them are remembered; of what is forgotten the next one is written at once.
 */
import type { Log, LogFields } from "./ports.ts";

export const REPEAT_LOG_INTERVAL_MS = 10_000;
const MAX_REPEATED = 1024;

interface Repeated {
  unlogged: number;
  loggedAtMs: number;
}

export class RepeatLog {
  readonly #log: Log;
  readonly #intervalMs: number;
  readonly #monotonicMs: () => number;
  readonly #seen: Map<string, Repeated> = new Map();

  constructor(log: Log, intervalMs: number, monotonicMs: () => number) {
    this.#log = log;
    this.#intervalMs = intervalMs;
    this.#monotonicMs = monotonicMs;
  }

  /** Something came to nothing, for a reason that carries a code; see {@link faultCodeOf}. */
  failed(event: string, error: unknown, peer?: string): void {
    const reason = error instanceof Error ? error.message : String(error);
    const fields = peer === undefined ? { reason } : { peer, reason };
    const code = faultCodeOf(error) ?? systemCodeOf(error) ?? "unexpected";
    this.note(event, { code, ...fields }, peer);
  }

  /** @param subject whose lines are counted apart from those of others; the codes are of a fixed set */
  note(event: string, fields: LogFields & { readonly code: string }, subject: string = ""): void {
    const nowMs = this.#monotonicMs();
    const name = `${event} ${fields.code} ${subject}`;
    const seen = this.#seen.get(name) ?? { unlogged: 0, loggedAtMs: Number.NEGATIVE_INFINITY };
    seen.unlogged += 1;
    if (nowMs - seen.loggedAtMs >= this.#intervalMs) {
      this.#log.warn(event, { ...fields, count: seen.unlogged });
      seen.unlogged = 0;
      seen.loggedAtMs = nowMs;
    }
    this.#seen.set(name, seen);
    const [oldest] = this.#seen.keys();
    if (this.#seen.size > MAX_REPEATED && oldest !== undefined) this.#seen.delete(oldest);
  }
}

/** The code of an error that carries its reason as a value: the store's, a peer's; undefined for what nobody foresaw. */
export function faultCodeOf(error: unknown): string | undefined {
  if (!(error instanceof Error)) return undefined;
  const reason: unknown = "fault" in error ? error.fault : "reason" in error ? error.reason : undefined;
  if (typeof reason !== "object" || reason === null || !("code" in reason)) return undefined;
  return typeof reason.code === "string" ? reason.code : undefined;
}

/** As Node.js names what the operating system says. */
function systemCodeOf(error: unknown): string | undefined {
  return error instanceof Error && "code" in error && typeof error.code === "string" ? error.code : undefined;
}
