/**
 * Lets what tells watchers have a share of the event loop's time and no more, whatever there is to tell.
 *
 * It works in slices. A slice lasts `SLICE_MS`, and longer only by the one step that is under way when they are over. What
 * it took is owed, all that it left for the end of its turn included (writes to sockets, answers of those that waited), and
 * `REST_FACTOR` times as much time without telling pays for it. Who owes more than `CREDIT_MS` rests until it is paid, so of
 * any time `t` telling takes at most `t / (1 + REST_FACTOR) + CREDIT_MS` and the last slice. The credit is for what a slice
 * cannot help, such as a collection of garbage that falls into it: it holds up nobody behind it (a token bucket).
 * While nobody has written for `QUIET_MS` the share is half of the time: what a burst of writes has left is told sooner.
 */
import { TransientMap } from "@hearsay/core";
import type { Timers } from "@hearsay/node";

/** What may have something to tell. */
export interface Teller {
  /** Goes on where it was, until the time is over. @returns whether there is more for another slice */
  tell(isOver: () => boolean): boolean;
}

export const SLICE_MS = 4;
export const REST_FACTOR = 4;
export const CREDIT_MS = 20;
export const QUIET_REST_FACTOR = 1;
export const QUIET_MS = 100;

export class Pace {
  readonly #timers: Timers;
  /** In the order of their turns. */
  #queue: TransientMap<Teller, Teller> = new TransientMap();
  #isArmed = false;
  #owedMs = 0;
  #toldAtMs = 0;
  #restedAtMs = 0;
  #writtenAtMs = Number.NEGATIVE_INFINITY;
  #cancel: readonly (() => void)[] = [];

  constructor(timers: Timers) {
    this.#timers = timers;
  }

  /** Somebody writes. */
  written(): void {
    this.#writtenAtMs = this.#timers.monotonicMs();
  }

  /** It has something to tell, and gets its turn. */
  add(teller: Teller): void {
    this.#queue.set(teller, teller);
    if (!this.#isArmed) this.#arm(Math.max(0, Math.ceil(this.#restedAtMs - this.#timers.monotonicMs())));
  }

  remove(teller: Teller): void {
    this.#queue.delete(teller);
  }

  /** Tells what it can in so long, and then nothing any more. */
  close(lastMs: number): void {
    for (const cancel of this.#cancel) cancel();
    this.#isArmed = true;
    this.#slice(this.#timers.monotonicMs() + lastMs);
    this.#queue = new TransientMap();
  }

  #arm(ms: number): void {
    this.#isArmed = true;
    let begunMs = 0;
    const begin = (): void => {
      begunMs = this.#timers.monotonicMs();
      this.#slice(begunMs + SLICE_MS);
    };
    const rest = (): void => {
      const nowMs = this.#timers.monotonicMs();
      const factor = nowMs - this.#writtenAtMs < QUIET_MS ? REST_FACTOR : QUIET_REST_FACTOR;
      const paidMs = (begunMs - this.#toldAtMs) / factor;
      this.#owedMs = Math.max(0, this.#owedMs - paidMs) + nowMs - begunMs;
      this.#toldAtMs = nowMs;
      const restMs = Math.ceil(factor * Math.max(0, this.#owedMs - CREDIT_MS));
      this.#isArmed = false;
      this.#restedAtMs = nowMs + restMs;
      if (this.#queue.size > 0) this.#arm(restMs);
    };
    // The second of two timers for one moment runs right behind what the first one has left for the end of its turn.
    this.#cancel = [this.#timers.after(ms, begin), this.#timers.after(ms, rest)];
  }

  /** One turn for each, as far as the time goes. */
  #slice(endMs: number): void {
    const isOver = (): boolean => this.#timers.monotonicMs() >= endMs;
    for (const teller of [...this.#queue.values()]) {
      this.#queue.delete(teller);
      if (teller.tell(isOver)) this.#queue.set(teller, teller);
      if (isOver()) return;
    }
  }
}
