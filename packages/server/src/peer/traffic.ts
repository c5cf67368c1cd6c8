import type { PeerRequest } from "@hearsay/core";

export interface TrafficCounts {
  readonly messages: number;
  readonly sentBytes: number;
  readonly receivedBytes: number;
}

/** Messages between nodes by kind, asked and answered together; bodies only. */
export class Traffic {
  readonly #kinds: Map<PeerRequest["kind"], { messages: number; sentBytes: number; receivedBytes: number }> =
    new Map();

  count(kind: PeerRequest["kind"], sentBytes: number, receivedBytes: number): void {
    const seen = this.#kinds.get(kind);
    if (seen === undefined) {
      this.#kinds.set(kind, { messages: 1, sentBytes, receivedBytes });
      return;
    }
    seen.messages += 1;
    seen.sentBytes += sentBytes;
    seen.receivedBytes += receivedBytes;
  }

  counts(): ReadonlyMap<PeerRequest["kind"], TrafficCounts> {
    return this.#kinds;
  }
}
