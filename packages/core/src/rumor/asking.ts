import type { Peer } from "../effects.ts";
import type { RumorCounters } from "./counters.ts";
import type { CarriedRumor, Rumor } from "./messages.ts";
import type { RumorOptions } from "./options.ts";
import type { Outbox } from "./outbox.ts";
import type { Pipe } from "./pipe.ts";
import type { Pipes } from "./pipes.ts";
import { WantList } from "./wants.ts";

/** Gets the records that were offered by version and are lacking here, each from one peer at a time. */
export class Asking {
  readonly #wants: WantList;
  readonly #pipes: Pipes;
  readonly #outbox: Outbox;
  readonly #counters: RumorCounters;

  constructor(options: RumorOptions, pipes: Pipes, outbox: Outbox, counters: RumorCounters) {
    this.#wants = new WantList(options.wantsMax, options.wantTimeoutMs);
    this.#pipes = pipes;
    this.#outbox = outbox;
    this.#counters = counters;
  }

  get isIdle(): boolean {
    return this.#wants.size === 0;
  }

  /** What to answer a peer that offers a rumor whose record is lacking. */
  lacking(rumor: Rumor, from: Peer, now: number): "wanted" | "promised" {
    const ask = this.#wants.offered(rumor, from, now);
    if (ask === "full") this.#counters.wantsDropped += 1;
    this.#schedule(now);
    return ask === "wanted" ? "wanted" : "promised";
  }

  arrived(rumor: Rumor, held: Rumor["versions"]): void {
    this.#wants.arrived(rumor, held);
  }

  /** The peer will not send what it was asked for; others are asked at the next timer, which is due at once. */
  failed(keys: Iterable<string>, pipe: Pipe, now: number): void {
    for (const key of keys) this.#wants.failed(key, pipe.peer, now);
    this.#schedule(now);
  }

  /** What the peer left out for want of room is asked for again; if it sent none at all, it holds none of them. */
  replied(pipe: Pipe, asked: ReadonlyMap<string, Rumor>, came: readonly CarriedRumor[], now: number): void {
    const keys = new Set(came.filter((rumor) => rumor.inline).map((rumor) => rumor.key));
    const missing = [...asked].filter(([key]) => !keys.has(key));
    if (missing.length < asked.size) for (const [key, rumor] of missing) pipe.wants.set(key, rumor);
    else this.failed(asked.keys(), pipe, now);
  }

  /** Turns overdue wants to the next peer. */
  onTimer(now: number): void {
    const { ask, givenUp } = this.#wants.overdue(now);
    this.#counters.wantsDropped += givenUp;
    for (const { peer, rumor } of ask) {
      // Left alone after a failure: the next deadline turns to another.
      if (this.#pipes.isResting(peer.id, now)) continue;
      const pipe = this.#pipes.to(peer);
      pipe.wants.set(rumor.key, rumor);
      this.#pipes.flush(pipe, now);
    }
    this.#schedule(now);
  }

  #schedule(now: number): void {
    const deadline = this.#wants.nextDeadline;
    if (deadline !== undefined) this.#outbox.schedule("wants", deadline, now);
  }
}
