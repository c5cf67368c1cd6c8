/**
 * Gives a member that stays all that this node holds: before this node leaves, and when somebody asks whether it may stop.
 *
 * An exchange that ends well shows that the other one durably holds or covers what this node did when its clock read the time
 * that was offered. It proves nothing of what this node takes later.
 */
import type { HlcTime, NodeId, Peer } from "@hearsay/core";
import type { ExchangeOutcome } from "../exchange/outcome.ts";
import { PeerFault } from "../peer-fault.ts";
import { faultCodeOf } from "../repeat-log.ts";
import type { MemberParts } from "./member-parts.ts";
import type { Timers } from "./ports.ts";

/** Who holds all that this node did when its clock read `through`. */
export interface HandedOver {
  readonly to: NodeId;
  readonly through: HlcTime;
}

/**
 * Tries one after the other.
 * @throws what the last one failed with, when none that stays took it
 */
export async function handOver(
  peers: Iterable<Peer>,
  exchange: (peer: Peer) => Promise<ExchangeOutcome>,
): Promise<HandedOver> {
  let last: unknown = new PeerFault({ code: "unreachable" });
  for (const peer of peers) {
    try {
      const { staying, offered } = await exchange(peer);
      // The peer has it all, also where a retirement has made the exchange prove nothing here.
      if (staying) return { to: peer.id, through: offered };
    } catch (error) {
      last = error;
    }
  }
  throw last;
}

/** A member that could do without this node, as an exchange has just shown. */
export interface StandIn extends HandedOver {
  /** Of whom this node has taken records since before the exchange. Each holds what it has sent. */
  readonly senders: ReadonlySet<NodeId>;
}

/** Members that are asked at one time: one that has gone, and is not known to have, keeps nobody waiting. */
const ASKED_AT_ONCE = 2;
/** A search is over by then; the exchanges it has begun go on. */
export const SEARCH_TIMEOUT_MS = 2_000;

/**
 * Looks for a stand-in anew each time it is asked. What an earlier exchange has shown would not do: a member may have written
 * since, mailed it to this node alone, and gone for good, long before anybody takes it for gone.
 *
 * Bound: one search at a time, and one exchange with a member; all who ask while a search runs are answered by the next one.
 */
export class StandIns {
  readonly #parts: StandInParts;
  readonly #timers: Timers;
  /** Members that have not answered yet, also those of earlier searches. */
  readonly #asked: Set<NodeId> = new Set();
  #running: Promise<unknown> = Promise.resolve();
  #next: Promise<StandIn | undefined> | undefined;

  constructor(parts: StandInParts, timers: Timers) {
    this.#parts = parts;
    this.#timers = timers;
  }

  /** Undefined when none was found in time: after two searches at most. */
  find(): Promise<StandIn | undefined> {
    this.#next ??= this.#running.then(() => {
      this.#next = undefined;
      const search = this.#search();
      this.#running = search.catch(() => undefined);
      return search;
    });
    return this.#next;
  }

  async #search(): Promise<StandIn | undefined> {
    const { replica } = this.#parts;
    // Before the exchange commits what was taken so far: what comes from now on may not be in it.
    const senders: Set<NodeId> = new Set();
    replica.noteSenders(senders);
    const peers = this.#candidates();
    try {
      const found = await this.#firstOf(peers);
      return found === undefined ? undefined : { ...found, senders };
    } finally {
      peers.return();
      replica.noteSenders(undefined);
    }
  }

  /** Each lane takes the next peer when it is done with one. */
  async #firstOf(peers: Iterable<Peer>): Promise<HandedOver | undefined> {
    const lanes = Array.from({ length: ASKED_AT_ONCE }, () =>
      handOver(peers, (peer) => this.#exchange(peer)),
    );
    const found = Promise.any(lanes).catch((error: unknown) => {
      const errors: unknown[] = error instanceof AggregateError ? error.errors : [error];
      for (const one of errors) if (faultCodeOf(one) === undefined) throw one;
      return undefined;
    });
    return await new Promise((resolve, reject) => {
      const endWait = this.#timers.after(SEARCH_TIMEOUT_MS, () => resolve(undefined));
      found.then(resolve, reject).finally(endWait);
    });
  }

  /** Those that are alive, and mostly those first that are well. */
  *#candidates(): Generator<Peer, void, void> {
    const { membership, sampler } = this.#parts;
    for (const peer of sampler.sample(membership.livePeers().length)) {
      if (membership.stateOf(peer.id) === "alive" && !this.#asked.has(peer.id)) yield peer;
    }
  }

  async #exchange(peer: Peer): Promise<ExchangeOutcome> {
    this.#asked.add(peer.id);
    try {
      return await this.#parts.repair.exchange(peer);
    } finally {
      this.#asked.delete(peer.id);
    }
  }
}

type StandInParts = Pick<MemberParts, "membership" | "repair" | "sampler" | "replica">;
