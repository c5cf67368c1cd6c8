/**
 * Rumor mongering (Demers et al., "Epidemic Algorithms for Replicated Database Maintenance", 1987, sections 1.3 and 1.4).
 *
 * A write becomes a hot rumor. Small clusters: its coordinator mails it to all live peers. Larger ones: each node
 * that learns it offers it to random peers in rounds, until contacts stop being useful. While few nodes can know it,
 * the record travels with the offer; later only its versions do, and who lacks it asks one holder for it.
 *
 * Invariants: one request in flight per peer; no rumor is offered to a peer remembered as holding it; a rumor has a
 * bounded number of sends and rounds; every list is bounded and every drop counted.
 */
import type { Peer } from "../effects.ts";
import type { RandomSource } from "../random.ts";
import type { PeerSampler } from "../sampling/peer-sampler.ts";
import { Asking } from "./asking.ts";
import { countCarried, newRumorCounters, type RumorCounters } from "./counters.ts";
import type { HotRumor } from "./hot-list.ts";
import {
  type CarriedRumor,
  type HeldRecord,
  HOPS_MAX,
  type ReceivedRumor,
  type Rumor,
  type RumorAnswer,
  type RumorEffect,
  type RumorReply,
  type RumorRequest,
  type RumorTimer,
  type RumorVerdict,
  sameVersions,
} from "./messages.ts";
import type { RumorOptions } from "./options.ts";
import { Outbox } from "./outbox.ts";
import { carried, MessageBudget, type Pipe } from "./pipe.ts";
import type { Pipes } from "./pipes.ts";
import { Spreader } from "./spreader.ts";

export interface NewRumor extends HeldRecord {
  readonly key: string;
  readonly origin: "write" | "repair";
  /** Peers that have to hold it before it may lose interest; 0 when nobody waits. That many are contacted at once. */
  readonly acks: number;
}

export class RumorMonger {
  readonly #options: RumorOptions;
  readonly #outbox: Outbox = new Outbox();
  readonly #counters: RumorCounters = newRumorCounters();
  readonly #spreader: Spreader;
  readonly #pipes: Pipes;
  readonly #asking: Asking;
  #lastTurn = 0;

  /** @param options checked with `validateRumorOptions` */
  constructor(options: RumorOptions, sampler: PeerSampler, random: RandomSource) {
    this.#options = options;
    this.#spreader = new Spreader(options, sampler, random, this.#outbox, this.#counters);
    this.#pipes = this.#spreader.pipes;
    this.#asking = new Asking(options, this.#pipes, this.#outbox, this.#counters);
  }

  get counters(): Readonly<RumorCounters> {
    return this.#counters;
  }

  get hotEntries(): number {
    return this.#spreader.hot.size;
  }

  /** Bytes of keys and versions in the hot list. */
  get hotBytes(): number {
    return this.#spreader.hot.bytes;
  }

  /** Whether nothing is hot, asked for or in flight: what a node waits for before it stops. */
  get isQuiet(): boolean {
    return this.hotEntries === 0 && this.#asking.isIdle && this.#pipes.inFlight === 0;
  }

  isHot(key: string): boolean {
    return this.#spreader.hot.get(key) !== undefined;
  }

  /**
   * @param live the peers now believed to be up, or the partial view of them
   * @param clusterSize live nodes with this one, counted or estimated
   */
  peersChanged(live: readonly Peer[], clusterSize: number, now: number): readonly RumorEffect[] {
    this.#spreader.peersChanged(live, clusterSize, now);
    if (!this.#pipes.isEmpty) this.#readdress(live, now);
    return this.#outbox.takeEffects();
  }

  /** Takes up a write that is durable here, or a record that repair brought. */
  add(rumor: NewRumor, now: number): readonly RumorEffect[] {
    const { key, versions, sizeBytes, origin, acks } = rumor;
    const mailed = this.#spreader.mailsToAll(sizeBytes);
    this.#spreader.spread({ key, versions, sizeBytes, hops: 0, mailed }, origin, acks, now);
    return this.#outbox.takeEffects();
  }

  /**
   * @param token goes with the reply
   * @param received what became of `request.rumors`, in their order, once it is durable
   */
  onRequest(
    from: Peer,
    token: number,
    request: RumorRequest,
    received: readonly ReceivedRumor[],
    now: number,
  ): readonly RumorEffect[] {
    const pipe = this.#pipes.to(from);
    this.#heardFeedback(pipe, request.answers);
    const answers = this.#receive(from, request.rumors, received, now);
    const stale = request.rumors.flatMap((rumor, i) => newerHere(rumor, received[i]));
    const message = this.#composeReply(pipe, request, answers, stale);
    this.#outbox.push({ kind: "reply", token, message });
    this.#pipes.release(pipe, now);
    return this.#outbox.takeEffects();
  }

  /** @param received what became of `reply.rumors`, in their order, once it is durable */
  onReply(
    id: number,
    reply: RumorReply,
    received: readonly ReceivedRumor[],
    now: number,
  ): readonly RumorEffect[] {
    const finished = this.#pipes.finish(id);
    if (finished === undefined) return [];
    const { pipe, sent } = finished;
    for (const answer of reply.answers) {
      const contact = sent.contacts.get(answer.key);
      if (contact !== undefined) this.#spreader.contacted(pipe, contact, answer.verdict);
      const owed = sent.owed.get(answer.key);
      if (owed !== undefined) this.#spreader.holds(pipe.peer.id, owed, answer.verdict);
    }
    this.#spreader.contactsOver(sent.contacts.values());
    const answers = this.#receive(pipe.peer, reply.rumors, received, now);
    answers.forEach((answer, i) => {
      const rumor = reply.rumors[i];
      if (answer.verdict === "wanted" && rumor !== undefined) pipe.wants.set(rumor.key, rumor);
    });
    // The peer expects no answers to what it sent because it was asked to.
    const list = answers.filter((answer) => !sent.wants.has(answer.key));
    if (list.length > 0) pipe.answers = { turn: reply.turn, list };
    if (sent.wants.size > 0) this.#asking.replied(pipe, sent.wants, reply.rumors, now);
    this.#pipes.flush(pipe, now);
    this.#pipes.release(pipe, now);
    return this.#outbox.takeEffects();
  }

  onFailure(id: number, now: number): readonly RumorEffect[] {
    const finished = this.#pipes.finish(id);
    if (finished === undefined) return [];
    const { pipe, sent } = finished;
    pipe.resumeAtMs = now + this.#options.failureBackoffMs;
    this.#counters.undelivered += sent.owed.size;
    this.#spreader.contactsLost([...sent.contacts.values()]);
    this.#asking.failed(sent.wants.keys(), pipe, now);
    this.#abandon(pipe, now);
    return this.#outbox.takeEffects();
  }

  onTimer(timer: RumorTimer, now: number): readonly RumorEffect[] {
    if (!this.#outbox.takeTimer(timer)) return [];
    if (timer.kind === "round") this.#spreader.round(now);
    else if (timer.kind === "wants") this.#asking.onTimer(now);
    else for (const pipe of this.#pipes.all()) this.#pipes.flush(pipe, now);
    return this.#outbox.takeEffects();
  }

  #readdress(live: readonly Peer[], now: number): void {
    const byId = new Map(live.map((peer) => [peer.id, peer]));
    for (const pipe of this.#pipes.all()) {
      const peer = byId.get(pipe.peer.id);
      if (peer !== undefined) pipe.peer = peer;
      // Who is missing from a partial view may be up all the same: what is under way to it goes on.
      else if (this.#spreader.knowsAll || !pipe.hasSomethingToSay) this.#abandon(pipe, now);
    }
  }

  /** Gives up all that waits for the peer; anti-entropy brings it once the peer is back. */
  #abandon(pipe: Pipe, now: number): void {
    const queued = [...pipe.queue.values()];
    this.#counters.undelivered += pipe.owed.size;
    this.#asking.failed(pipe.wants.keys(), pipe, now);
    pipe.clear();
    this.#spreader.contactsLost(queued);
    this.#pipes.release(pipe, now);
  }

  #heardFeedback(pipe: Pipe, answers: RumorRequest["answers"]): void {
    const replied = pipe.replied;
    pipe.replied = undefined;
    if (replied === undefined || answers?.turn !== replied.turn) return;
    for (const answer of answers.list) {
      const rumor = replied.rumors.get(answer.key);
      if (rumor !== undefined) this.#spreader.pulled(pipe, rumor, answer.verdict);
    }
  }

  #receive(
    from: Peer,
    rumors: readonly CarriedRumor[],
    received: readonly ReceivedRumor[],
    now: number,
  ): readonly RumorAnswer[] {
    return rumors.flatMap((rumor, i) => {
      const outcome = received[i];
      if (outcome === undefined) return [];
      return [{ key: rumor.key, verdict: this.#take(from, rumor, outcome, now) }];
    });
  }

  #take(from: Peer, rumor: CarriedRumor, outcome: ReceivedRumor, now: number): RumorVerdict {
    if (outcome.state === "refused") return "refused";
    if (outcome.state === "lacking") return this.#asking.lacking(rumor, from, now);
    this.#asking.arrived(rumor, outcome.held.versions);
    if (outcome.state === "new" && !rumor.mailed) {
      const { versions, sizeBytes } = outcome.held;
      const { key, mailed } = rumor;
      // The peer may have said any number.
      const hops = Math.min(rumor.hops + 1, HOPS_MAX);
      this.#spreader.spread({ key, versions, sizeBytes, hops, mailed }, "peer", 0, now);
    }
    const hot = this.#spreader.hot.get(rumor.key);
    const sameState = hot !== undefined && sameVersions(hot.versions, rumor.versions);
    if (sameState) this.#spreader.holds(from.id, hot, "known");
    return outcome.state;
  }

  /** Records asked for first, then what the asker is behind on, then what else is hot here. */
  #composeReply(
    pipe: Pipe,
    request: RumorRequest,
    answers: readonly RumorAnswer[],
    stale: readonly Rumor[],
  ): RumorReply {
    const budget = new MessageBudget(this.#options.maxMessageBytes, this.#options.maxRumorsPerMessage);
    const rumors: CarriedRumor[] = [];
    const put = (rumor: Rumor, inline: boolean): boolean => {
      const fits = budget.takeRumor(rumor, inline);
      if (fits) rumors.push(carried(rumor, inline));
      return fits;
    };
    for (const want of request.wants) put(want, true);
    for (const rumor of stale) put(rumor, false);
    this.#lastTurn += 1;
    if (request.pull) {
      const mentioned = new Set([...request.rumors, ...stale].map((rumor) => rumor.key));
      const offered = new Map<string, HotRumor>();
      for (const rumor of this.#spreader.hot.values()) {
        if (rumor.mailed || rumor.isSettled(pipe.peer.id) || mentioned.has(rumor.key)) continue;
        if (!put(rumor, this.#spreader.goesInline(rumor))) break;
        rumor.sends += 1;
        offered.set(rumor.key, rumor);
      }
      if (offered.size > 0) pipe.replied = { turn: this.#lastTurn, rumors: offered };
    }
    this.#counters.replies += 1;
    countCarried(this.#counters, rumors);
    return { kind: "rumor_reply", turn: this.#lastTurn, answers, rumors };
  }
}

/** The state held here, where it is not the one the peer offered: the peer lacks something. */
function newerHere(rumor: CarriedRumor, outcome: ReceivedRumor | undefined): readonly Rumor[] {
  if (outcome?.state !== "known" || sameVersions(outcome.held.versions, rumor.versions)) return [];
  const { versions, sizeBytes } = outcome.held;
  return [{ key: rumor.key, versions, sizeBytes, hops: rumor.hops, mailed: false }];
}
