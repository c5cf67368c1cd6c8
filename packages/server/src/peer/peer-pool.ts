/** The connections to one peer, and what is under way on them. */
import { PeerFault } from "@hearsay/node";
import { type Dispatcher, Pool } from "undici";
import { type Answer, Call } from "./call.ts";

/** Requests to one peer under way at a time: far more than the protocols keep open; reads with many replicas share them. */
const REQUESTS_PER_PEER = 1024;
/** A name may lead elsewhere without anything on its connections telling so, and probes keep these in use for ever. */
export const CONNECTIONS_MAX_AGE_MS: number = 5 * 60_000;

/** Connections that were opened for one peer between two looks at its name. */
export type Connections = Pool;

/** Requests beyond the connections wait, a bounded number of them. */
export class PeerPool {
  readonly #open: () => Pool;
  readonly #monotonicMs: () => number;
  #current: Pool;
  #openedMs: number;
  /** Replaced, and ended with the last of the requests they carry. */
  readonly #ending: Set<Pool> = new Set();
  /** Sent and not answered, or waiting; those given up while they waited count until their turn comes. */
  #underWay = 0;

  constructor(origin: string, options: Pool.Options, monotonicMs: () => number) {
    this.#open = () => new Pool(origin, options);
    this.#monotonicMs = monotonicMs;
    this.#current = this.#open();
    this.#openedMs = monotonicMs();
  }

  /** What the next request is sent through. */
  get connections(): Connections {
    if (this.#monotonicMs() - this.#openedMs >= CONNECTIONS_MAX_AGE_MS) this.renew(this.#current);
    return this.#current;
  }

  exchange(through: Connections, request: Dispatcher.DispatchOptions, timeoutMs: number): Promise<Answer> {
    if (this.#underWay >= REQUESTS_PER_PEER) throw new PeerFault({ code: "busy" });
    this.#underWay += 1;
    return new Promise((resolve, reject) => {
      const settle = { resolve, reject, over: () => this.#over() };
      through.dispatch(request, new Call(timeoutMs, settle));
    });
  }

  /**
   * The next request opens a connection, for which the name is looked up. Those under way are not broken: some may be
   * on their way to the right peer.
   * @param from the connections to give up; nothing happens where others have taken their place
   */
  renew(from: Connections): void {
    if (from !== this.#current) return;
    this.#current = this.#open();
    this.#openedMs = this.#monotonicMs();
    this.#ending.add(from);
    const ended = (): void => void this.#ending.delete(from);
    from.close().then(ended, ended);
  }

  async destroy(): Promise<void> {
    await Promise.all([this.#current, ...this.#ending].map((pool) => pool.destroy()));
  }

  #over(): void {
    this.#underWay -= 1;
  }
}
