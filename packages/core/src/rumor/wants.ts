import type { Peer } from "../effects.ts";
import type { Version } from "../version.ts";
import { type Rumor, sameVersions } from "./messages.ts";

interface Want {
  rumor: Rumor;
  asked: Peer;
  deadline: number;
  asks: number;
  /** Others that offered it since, in the order they did. */
  readonly others: Peer[];
}

/** Other holders remembered for a record that was asked for. */
const OTHERS_MAX = 3;

/** After as many requests in vain the record is left to anti-entropy. */
const ASKS_MAX = 4;

/**
 * The records asked for and not yet here, so that a record offered by several peers travels once. Invariant: at most
 * `max`, each asked of one peer at a time and a bounded number of times.
 */
export class WantList {
  readonly #max: number;
  readonly #timeoutMs: number;
  readonly #wants = new Map<string, Want>();

  constructor(max: number, timeoutMs: number) {
    this.#max = max;
    this.#timeoutMs = timeoutMs;
  }

  get size(): number {
    return this.#wants.size;
  }

  /** The earliest deadline. Undefined when nothing is asked for. */
  get nextDeadline(): number | undefined {
    let next: number | undefined;
    for (const want of this.#wants.values()) {
      if (next === undefined || want.deadline < next) next = want.deadline;
    }
    return next;
  }

  /** Whether to ask this peer (`wanted`), rely on one asked before (`promised`), or leave it to repair (`full`). */
  offered(rumor: Rumor, by: Peer, now: number): "wanted" | "promised" | "full" {
    const open = this.#wants.get(rumor.key);
    if (open !== undefined && sameVersions(open.rumor.versions, rumor.versions)) {
      // The same peer may be remembered again: that it offers once more says that it lost the answer, or crossed it.
      if (open.others.length < OTHERS_MAX) open.others.push(by);
      return "promised";
    }
    if (open === undefined && this.#wants.size >= this.#max) return "full";
    this.#wants.set(rumor.key, { rumor, asked: by, deadline: now + this.#timeoutMs, asks: 1, others: [] });
    return "wanted";
  }

  /** The record is here, from whomever: as it was offered, or as it is held after the merge. */
  arrived(rumor: Rumor, held: readonly Version[]): void {
    const want = this.#wants.get(rumor.key)?.rumor.versions;
    if (want === undefined) return;
    if (sameVersions(want, rumor.versions) || sameVersions(want, held)) this.#wants.delete(rumor.key);
  }

  /** Turns the wants whose peer let the deadline pass, or has nothing, to the next holder, or to the same once more. */
  overdue(now: number): { readonly ask: readonly { peer: Peer; rumor: Rumor }[]; readonly givenUp: number } {
    const ask: { peer: Peer; rumor: Rumor }[] = [];
    let givenUp = 0;
    for (const [key, want] of this.#wants) {
      if (want.deadline > now) continue;
      if (want.asks >= ASKS_MAX) {
        this.#wants.delete(key);
        givenUp += 1;
        continue;
      }
      want.asked = want.others.shift() ?? want.asked;
      want.asks += 1;
      want.deadline = now + this.#timeoutMs;
      ask.push({ peer: want.asked, rumor: want.rumor });
    }
    return { ask, givenUp };
  }

  /** The peer will not send it: the deadline counts as passed. */
  failed(key: string, peer: Peer, now: number): void {
    const want = this.#wants.get(key);
    if (want?.asked.id === peer.id) want.deadline = now;
  }
}
