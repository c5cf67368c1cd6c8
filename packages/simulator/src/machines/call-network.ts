/**
 * Requests and replies between machines on virtual time. A message takes a random time, or is lost; a call whose reply
 * does not come in time has failed. Who is down receives nothing, and its timers wait until it is up again. Bytes are those of the messages as `wire` encodes
 * them, without HTTP around them.
 */
import type { Peer, RandomSource } from "@hearsay/core";
import type { Agenda } from "./agenda.ts";

export interface NetworkSettings {
  /** Shortest and longest way of one message. */
  readonly latencyMs: readonly [number, number];
  /** Share of messages lost, requests and replies alike. */
  readonly loss: number;
}

/** Milliseconds one way in a local network, and nothing lost. */
export const LAN: NetworkSettings = { latencyMs: [0.2, 1], loss: 0 };

export interface MessageSizes<Request, Reply> {
  request(from: Peer, message: Request): number;
  reply(from: Peer, message: Reply): number;
}

export type Serve<Request, Reply> = (from: Peer, message: Request, answer: (reply: Reply) => void) => void;

export interface Traffic {
  messages: number;
  bytes: number;
  largestBytes: number;
}

export class CallNetwork<Request, Reply> {
  readonly traffic: Traffic = { messages: 0, bytes: 0, largestBytes: 0 };
  readonly #agenda: Agenda;
  readonly #settings: NetworkSettings;
  readonly #random: RandomSource;
  readonly #sizes: MessageSizes<Request, Reply>;
  readonly #served = new Map<string, Serve<Request, Reply>>();
  /** Who is down, with the timers that came due meanwhile. */
  readonly #down = new Map<string, (() => void)[]>();

  constructor(
    agenda: Agenda,
    settings: NetworkSettings,
    random: RandomSource,
    sizes: MessageSizes<Request, Reply>,
  ) {
    this.#agenda = agenda;
    this.#settings = settings;
    this.#random = random;
    this.#sizes = sizes;
  }

  serve(address: string, serve: Serve<Request, Reply>): void {
    this.#served.set(address, serve);
  }

  crash(address: string): void {
    this.#down.set(address, []);
  }

  /** Undoes a crash: timers that came due meanwhile run now, messages that arrived are lost. */
  revive(address: string): void {
    const held = this.#down.get(address) ?? [];
    this.#down.delete(address);
    for (const run of held) this.#agenda.after(0, run);
  }

  /** A timer of the node at this address. */
  after(address: string, ms: number, run: () => void): void {
    this.#agenda.after(ms, () => {
      const held = this.#down.get(address);
      if (held === undefined) run();
      else held.push(run);
    });
  }

  /** @param done hears the reply, or undefined when none came within `timeoutMs`; exactly once */
  call(
    from: Peer,
    to: Peer,
    message: Request,
    timeoutMs: number,
    done: (reply: Reply | undefined) => void,
  ): void {
    let open = true;
    const finish = (reply: Reply | undefined): void => {
      if (!open) return;
      open = false;
      done(reply);
    };
    this.after(from.address, timeoutMs, () => finish(undefined));
    this.#carry(to.address, this.#sizes.request(from, message), () => {
      this.#served.get(to.address)?.(from, message, (reply) => {
        this.#carry(from.address, this.#sizes.reply(to, reply), () => finish(reply));
      });
    });
  }

  #carry(address: string, bytes: number, arrive: () => void): void {
    const { traffic } = this;
    traffic.messages += 1;
    traffic.bytes += bytes;
    traffic.largestBytes = Math.max(traffic.largestBytes, bytes);
    const { loss, latencyMs } = this.#settings;
    if (loss > 0 && this.#random.next() < loss) return;
    const [least, most] = latencyMs;
    this.#agenda.after(least + this.#random.next() * (most - least), () => {
      if (!this.#down.has(address)) arrive();
    });
  }
}
