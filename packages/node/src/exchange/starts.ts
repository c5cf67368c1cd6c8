import type { HlcTime } from "@hearsay/core";

/** Of so many exchanges a second start is known for one, however long they are over. */
const STARTS_REMEMBERED = 1024;

/**
 * The exchanges that were begun with this node last, and how old a start may be that is not known any more: one of an earlier run, or
 * from long ago. Some 100 bytes each.
 */
export class Starts {
  readonly #offered: Map<string, HlcTime> = new Map();
  #forgottenThrough: HlcTime;

  /** @param answeredThrough no earlier run has answered a start with a later offer */
  constructor(answeredThrough: HlcTime) {
    this.#forgottenThrough = answeredThrough;
  }

  has(session: string): boolean {
    return this.#offered.has(session);
  }

  /** Whether a start with this offer, of a session that is not known, is the first of its session for certain. */
  isNews(offered: HlcTime): boolean {
    return offered > this.#forgottenThrough;
  }

  add(session: string, offered: HlcTime): void {
    this.#offered.set(session, offered);
    for (const [oldest, at] of this.#offered) {
      if (this.#offered.size <= STARTS_REMEMBERED) break;
      this.#offered.delete(oldest);
      this.#forgottenThrough = Math.max(this.#forgottenThrough, at);
    }
  }
}
