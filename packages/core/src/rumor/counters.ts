import type { CarriedRumor } from "./messages.ts";

/** What the machine did since it was made; each only grows. */
export interface RumorCounters {
  requests: number;
  replies: number;
  /** Records sent, in requests and replies. */
  records: number;
  recordBytes: number;
  /** Rumors sent as versions only. */
  offers: number;
  useful: number;
  needless: number;
  /** Hot rumors pushed out by the bound of the hot list. */
  dropped: number;
  /** Records too large for a message; anti-entropy carries them. */
  oversized: number;
  /** Mail and records asked for that were given up because the peer failed or went. */
  undelivered: number;
  /** Rumors that ended by the bound on rounds. */
  expired: number;
  /** Records asked for in vain, or not asked for because the list was full. */
  wantsDropped: number;
}

export function newRumorCounters(): RumorCounters {
  return {
    requests: 0,
    replies: 0,
    records: 0,
    recordBytes: 0,
    offers: 0,
    useful: 0,
    needless: 0,
    dropped: 0,
    oversized: 0,
    undelivered: 0,
    expired: 0,
    wantsDropped: 0,
  };
}

export function countCarried(counters: RumorCounters, rumors: readonly CarriedRumor[]): void {
  for (const rumor of rumors) {
    if (rumor.inline) {
      counters.records += 1;
      counters.recordBytes += rumor.sizeBytes;
    } else counters.offers += 1;
  }
}
