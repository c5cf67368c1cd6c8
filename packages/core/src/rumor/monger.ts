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
import type { NodeId } from "../identity.ts";
import type { RandomSource } from "../random.ts";
import type { PeerSampler } from "../sampling/peer-sampler.ts";
import { Agenda } from "./agenda.ts";
import { newRumorCounters, type RumorCounters } from "./counters.ts";
import { HotList, HotRumor, losesInterest, type RumorOrigin } from "./hot-list.ts";
import {
  type CarriedRumor,
  type HeldRecord,
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
import { type RumorOptions, sendsLimit } from "./options.ts";
import { carried, fitsMessage, MessageBudget, Pipe } from "./pipe.ts";
import { WantList } from "./wants.ts";

/** A rumor that no contact ends, because its peers are away, is given up after this many rounds for each send it has. */
const ROUNDS_PER_SEND = 4;

export interface NewRumor extends HeldRecord {
  readonly key: string;
  readonly origin: "write" | "repair";
  /** Peers that have to hold it before it may lose interest; 0 when nobody waits. That many are contacted at once. */
  readonly acks: number;
}

export class RumorMonger {
  readonly #options: RumorOptions;
  readonly #sampler: PeerSampler;
  readonly #random: RandomSource;
  readonly #hot: HotList;
  readonly #wants: WantList;
  readonly #counters: RumorCounters = newRumorCounters();
  readonly #agenda: Agenda = new Agenda();
  readonly #pipes = new Map<NodeId, Pipe>();
  readonly #open = new Map<number, Pipe>();
  #live: readonly Peer[] = [];
  #clusterSize = 1;
  #lastRequest = 0;
  #lastTurn = 0;
  #lastRoundMs: number = Number.NEGATIVE_INFINITY;
  #effects: RumorEffect[] = [];

  /** @param options checked with `validateRumorOptions` */
  constructor(options: RumorOptions, sampler: PeerSampler, random: RandomSource) {
    this.#options = options;
    this.#sampler = sampler;
    this.#random = random;
    this.#hot = new HotList(options.hotMaxEntries, options.hotMaxBytes);
    this.#wants = new WantList(options.wantsMax, options.wantTimeoutMs);
  }

  get counters(): Readonly<RumorCounters> {
    return this.#counters;
  }

  get hotEntries(): number {
    return this.#hot.size;
  }

  get hotBytes(): number {
    return this.#hot.bytes;
  }

  /** Whether nothing is hot, asked for or in flight: what a node waits for before it stops. */
  get isQuiet(): boolean {
    return this.#hot.size === 0 && this.#wants.size === 0 && this.#open.size === 0;
  }

  isHot(key: string): boolean {
    return this.#hot.get(key) !== undefined;
  }

  /**
   * @param live the peers now believed to be up, or the partial view of them
   * @param clusterSize live nodes with this one, counted or estimated
   */
  peersChanged(live: readonly Peer[], clusterSize: number, now: number): readonly RumorEffect[] {
    this.#live = live;
    this.#clusterSize = clusterSize;
    if (this.#pipes.size > 0) this.#readdress(live, now);
    if (this.#options.mode === "pull" && live.length > 0) this.#scheduleRound(now);
    return this.#takeEffects();
  }

  /** Takes up a write that is durable here, or a record that repair brought. */
  add(rumor: NewRumor, now: number): readonly RumorEffect[] {
    const knowsAll = this.#clusterSize <= this.#live.length + 1;
    const mailed =
      this.#options.mode !== "pull" && knowsAll && this.#live.length <= this.#options.directMailMax;
    this.#spread({ ...rumor, hops: 0, mailed }, rumor.origin, rumor.acks, now);
    return this.#takeEffects();
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
    const pipe = this.#pipe(from);
    this.#heardFeedback(pipe, request.answers);
    const answers = this.#receive(from, request.rumors, received, now);
    const stale = request.rumors.flatMap((rumor, i) => newerHere(rumor, received[i]));
    const message = this.#composeReply(pipe, request, answers, stale);
    this.#effects.push({ kind: "reply", token, message });
    this.#release(pipe, now);
    return this.#takeEffects();
  }

  /** @param received what became of `reply.rumors`, in their order, once it is durable */
  onReply(
    id: number,
    reply: RumorReply,
    received: readonly ReceivedRumor[],
    now: number,
  ): readonly RumorEffect[] {
    const pipe = this.#open.get(id);
    const sent = pipe?.inFlight;
    if (pipe === undefined || sent === undefined) return [];
    this.#open.delete(id);
    pipe.inFlight = undefined;
    for (const answer of reply.answers) {
      const contact = sent.contacts.get(answer.key);
      if (contact !== undefined) this.#contacted(pipe, contact, answer.verdict);
      const owed = sent.owed.get(answer.key);
      if (owed !== undefined) this.#holds(pipe.peer.id, owed, answer.verdict);
    }
    for (const rumor of sent.contacts.values()) this.#contactOver(rumor);
    const answers = this.#receive(pipe.peer, reply.rumors, received, now);
    answers.forEach((answer, i) => {
      const rumor = reply.rumors[i];
      if (answer.verdict === "wanted" && rumor !== undefined) pipe.wants.set(rumor.key, rumor);
    });
    // The peer expects no answers to what it sent because it was asked to.
    const list = answers.filter((answer) => !sent.wants.has(answer.key));
    if (list.length > 0) pipe.answers = { turn: reply.turn, list };
    this.#sortOutWants(pipe, sent.wants, reply.rumors, now);
    this.#flush(pipe, now);
    this.#release(pipe, now);
    return this.#takeEffects();
  }

  onFailure(id: number, now: number): readonly RumorEffect[] {
    const pipe = this.#open.get(id);
    const sent = pipe?.inFlight;
    if (pipe === undefined || sent === undefined) return [];
    this.#open.delete(id);
    pipe.inFlight = undefined;
    pipe.resumeAtMs = now + this.#options.failureBackoffMs;
    this.#undelivered(sent.contacts.values(), sent.owed.size);
    for (const key of sent.wants.keys()) this.#wants.failed(key, pipe.peer, now);
    this.#abandon(pipe, now);
    return this.#takeEffects();
  }

  onTimer(timer: RumorTimer, now: number): readonly RumorEffect[] {
    if (!this.#agenda.take(timer)) return [];
    if (timer.kind === "round") this.#round(now);
    else if (timer.kind === "wants") this.#turnWants(now);
    else for (const pipe of this.#pipes.values()) this.#flush(pipe, now);
    return this.#takeEffects();
  }

  #readdress(live: readonly Peer[], now: number): void {
    const byId = new Map(live.map((peer) => [peer.id, peer]));
    for (const pipe of this.#pipes.values()) {
      const peer = byId.get(pipe.peer.id);
      if (peer !== undefined) pipe.peer = peer;
      // Who is missing from a partial view may be up all the same.
      else if (this.#clusterSize <= live.length + 1) this.#abandon(pipe, now);
    }
  }

  #spread(rumor: Rumor, origin: RumorOrigin, acks: number, now: number): void {
    if (this.#live.length === 0) return;
    if (!fitsMessage(rumor, this.#options.maxMessageBytes)) {
      this.#counters.oversized += 1;
      return;
    }
    const older = this.#hot.get(rumor.key);
    if (older !== undefined && sameVersions(older.versions, rumor.versions)) {
      older.acks = Math.max(older.acks, acks);
      return;
    }
    if (older !== undefined) this.#end(older);
    const waiting = older === undefined || older.held >= older.acks ? 0 : older.acks;
    const hot = new HotRumor(rumor, origin, Math.max(acks, waiting));
    const dropped = this.#hot.add(hot);
    this.#counters.dropped += dropped.length;
    for (const victim of dropped) this.#end(victim);
    if (!hot.alive) return;
    if (hot.mailed) this.#mail(hot, now);
    else this.#scheduleRound(now);
  }

  #mail(rumor: HotRumor, now: number): void {
    for (const peer of this.#live) this.#enqueue(this.#pipe(peer), rumor, now);
    if (rumor.pending === 0) this.#end(rumor);
    else this.#schedule("mail", now + this.#options.coalesceMs, now);
  }

  /** One round of a node (Demers et al., section 1.4): the same few random peers for all that is hot. */
  #round(now: number): void {
    const { mode, fanout } = this.#options;
    this.#lastRoundMs = now;
    const spreading: HotRumor[] = [];
    let contacts = fanout;
    for (const rumor of this.#hot.values()) {
      if (rumor.mailed || this.#endsBeforeRound(rumor)) continue;
      spreading.push(rumor);
      contacts = Math.max(contacts, rumor.acks - rumor.held);
    }
    if (mode === "pull" || spreading.length > 0) {
      const pipes = this.#chooseFor(spreading, contacts, now).map((peer) => this.#pipe(peer));
      pipes.forEach((pipe, i) => {
        for (const rumor of mode === "pull" ? [] : spreading) {
          if (i < Math.max(fanout, rumor.acks - rumor.held)) this.#enqueue(pipe, rumor, now);
        }
        // With nothing to offer, a push-pull contact would only ask, and the other side asks when it has something.
        pipe.pull = mode === "pull" || (mode === "push_pull" && pipe.queue.size > 0);
      });
      for (const pipe of pipes) this.#flush(pipe, now);
      for (const pipe of pipes) this.#release(pipe, now);
    }
    for (const rumor of spreading) rumor.rounds += 1;
    if (mode === "pull" || spreading.length > 0) this.#scheduleRound(now);
  }

  /**
   * Of twice as many random peers, those that still need the most of what is hot: near the end of a rumor most random
   * peers are settled, and choosing among two halves the rounds it takes to find the last ones.
   */
  #chooseFor(spreading: readonly HotRumor[], contacts: number, now: number): readonly Peer[] {
    if (this.#options.settledMax === 0) return this.#sampler.sample(contacts);
    const needs = (peer: Peer): number => {
      if (now < (this.#pipes.get(peer.id)?.resumeAtMs ?? now)) return 0;
      return spreading.reduce((count, rumor) => count + (rumor.settled.has(peer.id) ? 0 : 1), 0);
    };
    return this.#sampler
      .sample(2 * contacts)
      .map((peer) => ({ peer, needs: needs(peer) }))
      .sort((a, b) => b.needs - a.needs)
      .slice(0, contacts)
      .map(({ peer }) => peer);
  }

  /** Takes account of those who pulled the rumor since the last round: one useful answer outweighs all others. */
  #endsBeforeRound(rumor: HotRumor): boolean {
    const { pulled } = rumor;
    rumor.pulled = "unheard";
    const lost = pulled !== "unheard" && losesInterest(rumor, pulled, this.#options, this.#random);
    const expired = rumor.rounds >= ROUNDS_PER_SEND * this.#sendsMax(rumor);
    if (expired) this.#counters.expired += 1;
    const spent = rumor.pending === 0 && (rumor.sends >= this.#sendsMax(rumor) || this.#allSettled(rumor));
    if (expired || spent || (lost && rumor.held >= rumor.acks)) this.#end(rumor);
    return !rumor.alive;
  }

  #allSettled(rumor: HotRumor): boolean {
    if (rumor.settled.size < this.#live.length) return false;
    return this.#live.every((peer) => rumor.settled.has(peer.id));
  }

  #enqueue(pipe: Pipe, rumor: HotRumor, now: number): void {
    if (rumor.settled.has(pipe.peer.id) || pipe.has(rumor)) return;
    if (now < pipe.resumeAtMs) {
      if (rumor.mailed) this.#counters.undelivered += 1;
      return;
    }
    if (!rumor.mailed && rumor.sends + rumor.pending >= this.#sendsMax(rumor)) return;
    pipe.queue.set(rumor.key, rumor);
    rumor.pending += 1;
  }

  #flush(pipe: Pipe, now: number): void {
    if (pipe.inFlight !== undefined || now < pipe.resumeAtMs) return;
    // Where rumors only travel in replies, nothing else would bring the answers in time.
    const answersAlone = this.#options.mode === "pull" && pipe.answers !== undefined;
    if (!pipe.hasSomethingToSay && !answersAlone) return;
    this.#lastRequest += 1;
    const goesInline = (rumor: HotRumor): boolean => this.#goesInline(rumor);
    const { message, contacts } = pipe.compose(this.#lastRequest, this.#options, goesInline);
    for (const rumor of contacts.values()) rumor.sends += 1;
    this.#open.set(this.#lastRequest, pipe);
    this.#counters.requests += 1;
    this.#countCarried(message.rumors);
    this.#effects.push({
      kind: "request",
      id: this.#lastRequest,
      to: pipe.peer,
      message,
      timeoutMs: this.#options.requestTimeoutMs,
    });
  }

  /** While few can know the rumor the record goes along: after h hops or rounds, at most (fanout + 1)^h nodes do. */
  #goesInline(rumor: HotRumor): boolean {
    const { fanout, inlineMaxBytes, inlineShare } = this.#options;
    if (rumor.origin === "repair" || rumor.sizeBytes > inlineMaxBytes) return false;
    return rumor.mailed || (fanout + 1) ** (rumor.hops + rumor.rounds) <= inlineShare * this.#clusterSize;
  }

  #composeReply(
    pipe: Pipe,
    request: RumorRequest,
    answers: readonly RumorAnswer[],
    stale: readonly Rumor[],
  ): RumorReply {
    const { maxMessageBytes, maxRumorsPerMessage } = this.#options;
    const budget = new MessageBudget(maxMessageBytes, maxRumorsPerMessage);
    const rumors: CarriedRumor[] = [];
    const take = (rumor: Rumor, inline: boolean): boolean => {
      const fits = budget.takeRumor(rumor, inline);
      if (fits) rumors.push(carried(rumor, inline));
      return fits;
    };
    for (const want of request.wants) take(want, true);
    for (const rumor of stale) take(rumor, false);
    this.#lastTurn += 1;
    pipe.replied = undefined;
    if (request.pull) {
      const mentioned = new Set([...request.rumors, ...stale].map((rumor) => rumor.key));
      const offered = new Map<string, HotRumor>();
      for (const rumor of this.#hot.values()) {
        if (rumor.mailed || rumor.settled.has(pipe.peer.id) || mentioned.has(rumor.key)) continue;
        if (!take(rumor, this.#goesInline(rumor))) break;
        rumor.sends += 1;
        offered.set(rumor.key, rumor);
      }
      if (offered.size > 0) pipe.replied = { turn: this.#lastTurn, rumors: offered };
    }
    this.#counters.replies += 1;
    this.#countCarried(rumors);
    return { kind: "rumor_reply", turn: this.#lastTurn, answers, rumors };
  }

  #receive(
    from: Peer,
    rumors: readonly CarriedRumor[],
    received: readonly ReceivedRumor[],
    now: number,
  ): readonly RumorAnswer[] {
    const answers: RumorAnswer[] = [];
    rumors.forEach((rumor, i) => {
      const outcome = received[i];
      if (outcome === undefined) return;
      answers.push({ key: rumor.key, verdict: this.#take(from, rumor, outcome, now) });
    });
    return answers;
  }

  #take(from: Peer, rumor: CarriedRumor, outcome: ReceivedRumor, now: number): RumorVerdict {
    if (outcome.state === "refused") return outcome.state;
    if (outcome.state === "lacking") {
      const ask = this.#wants.offered(rumor, from, now);
      if (ask === "full") this.#counters.wantsDropped += 1;
      this.#scheduleWants(now);
      return ask === "wanted" ? "wanted" : "promised";
    }
    this.#wants.arrived(rumor, outcome.held.versions);
    if (outcome.state === "new" && !rumor.mailed) {
      this.#spread({ ...rumor, ...outcome.held, hops: rumor.hops + 1 }, "peer", 0, now);
    }
    const hot = this.#hot.get(rumor.key);
    if (hot !== undefined && sameVersions(hot.versions, rumor.versions)) this.#holds(from.id, hot, "known");
    return outcome.state;
  }

  #contacted(pipe: Pipe, rumor: HotRumor, verdict: RumorVerdict): void {
    this.#holds(pipe.peer.id, rumor, verdict);
    if (verdict === "wanted") pipe.owed.set(rumor.key, rumor);
    // A peer that was promised the record elsewhere is contacted again only while someone waits for its word.
    if (verdict === "refused" || (verdict === "promised" && rumor.held >= rumor.acks)) {
      rumor.settle(pipe.peer.id, this.#options.settledMax);
    }
    const contact = verdict === "new" || verdict === "wanted" ? "useful" : "needless";
    this.#counters[contact] += 1;
    if (!rumor.alive || rumor.mailed) return;
    const lost = losesInterest(rumor, contact, this.#options, this.#random);
    if (lost && rumor.held >= rumor.acks) this.#end(rumor);
  }

  #holds(peer: NodeId, rumor: HotRumor, verdict: RumorVerdict): void {
    if ((verdict !== "new" && verdict !== "known") || rumor.settled.has(peer)) return;
    rumor.held += 1;
    rumor.settle(peer, this.#options.settledMax);
    if (rumor.origin !== "write") return;
    const { key, versions } = rumor;
    this.#effects.push({ kind: "event", event: { kind: "rumor_held", peer, key, versions } });
  }

  #heardFeedback(pipe: Pipe, answers: RumorRequest["answers"]): void {
    const replied = pipe.replied;
    pipe.replied = undefined;
    if (replied === undefined || answers?.turn !== replied.turn) return;
    for (const answer of answers.list) {
      const rumor = replied.rumors.get(answer.key);
      if (rumor === undefined) continue;
      this.#holds(pipe.peer.id, rumor, answer.verdict);
      const contact = answer.verdict === "new" || answer.verdict === "wanted" ? "useful" : "needless";
      this.#counters[contact] += 1;
      if (rumor.pulled !== "useful") rumor.pulled = contact;
    }
  }

  #contactOver(rumor: HotRumor): void {
    rumor.pending -= 1;
    if (!rumor.alive || rumor.pending > 0) return;
    if (rumor.mailed || rumor.sends >= this.#sendsMax(rumor)) this.#end(rumor);
  }

  /** Twice the awaited peers, so that a wait is not cut short by the bound that ends an ordinary rumor. */
  #sendsMax(rumor: HotRumor): number {
    return Math.max(sendsLimit(this.#options, this.#clusterSize), 2 * rumor.acks);
  }

  #end(rumor: HotRumor): void {
    this.#hot.delete(rumor);
    if (rumor.pending === 0) return;
    for (const pipe of this.#pipes.values()) {
      if (pipe.queue.get(rumor.key) === rumor) pipe.queue.delete(rumor.key);
    }
  }

  /** Gives up all that waits for the peer; anti-entropy brings it once the peer is back. */
  #abandon(pipe: Pipe, now: number): void {
    const queued = [...pipe.queue.values()];
    const owed = pipe.owed.size;
    for (const key of pipe.wants.keys()) this.#wants.failed(key, pipe.peer, now);
    pipe.clear();
    this.#undelivered(queued, owed);
    this.#scheduleWants(now);
    this.#release(pipe, now);
  }

  /** A lost contact of a rumor that was not mailed is none: other contacts make up for it. */
  #undelivered(contacts: Iterable<HotRumor>, owed: number): void {
    this.#counters.undelivered += owed;
    for (const rumor of contacts) {
      if (rumor.mailed) this.#counters.undelivered += 1;
      this.#contactOver(rumor);
    }
  }

  /** What the peer left out for want of room is asked for again; if it sent none at all, it holds none of them. */
  #sortOutWants(
    pipe: Pipe,
    asked: ReadonlyMap<string, Rumor>,
    came: readonly CarriedRumor[],
    now: number,
  ): void {
    const keys = new Set(came.filter((rumor) => rumor.inline).map((rumor) => rumor.key));
    const progress = [...asked.keys()].some((key) => keys.has(key));
    for (const [key, rumor] of asked) {
      if (keys.has(key)) continue;
      if (progress) pipe.wants.set(key, rumor);
      else this.#wants.failed(key, pipe.peer, now);
    }
    if (!progress && asked.size > 0) this.#turnWants(now);
  }

  #turnWants(now: number): void {
    const { ask, givenUp } = this.#wants.overdue(now);
    this.#counters.wantsDropped += givenUp;
    for (const { peer, rumor } of ask) {
      const pipe = this.#pipe(peer);
      // Left alone after a failure: the next deadline turns to another.
      if (now < pipe.resumeAtMs) continue;
      pipe.wants.set(rumor.key, rumor);
      this.#flush(pipe, now);
    }
    this.#scheduleWants(now);
  }

  #scheduleWants(now: number): void {
    const deadline = this.#wants.nextDeadline;
    if (deadline !== undefined) this.#schedule("wants", deadline, now);
  }

  #scheduleRound(now: number): void {
    const { mode, coalesceMs, roundIntervalMs, pullIntervalMs } = this.#options;
    const interval = mode === "pull" ? pullIntervalMs : roundIntervalMs;
    this.#schedule("round", Math.max(now + coalesceMs, this.#lastRoundMs + interval), now);
  }

  #schedule(kind: RumorTimer["kind"], dueMs: number, now: number): void {
    const effect = this.#agenda.set(kind, dueMs, now);
    if (effect !== undefined) this.#effects.push(effect);
  }

  #pipe(peer: Peer): Pipe {
    let pipe = this.#pipes.get(peer.id);
    if (pipe === undefined) {
      pipe = new Pipe(peer);
      this.#pipes.set(peer.id, pipe);
    }
    return pipe;
  }

  #release(pipe: Pipe, now: number): void {
    if (pipe.isIdle(now)) this.#pipes.delete(pipe.peer.id);
  }

  #countCarried(rumors: readonly CarriedRumor[]): void {
    for (const rumor of rumors) {
      if (rumor.inline) {
        this.#counters.records += 1;
        this.#counters.recordBytes += rumor.sizeBytes;
      } else this.#counters.offers += 1;
    }
  }

  #takeEffects(): readonly RumorEffect[] {
    const effects = this.#effects;
    this.#effects = [];
    return effects;
  }
}

/** The state held here, where it is not the one the peer offered: the peer lacks something. */
function newerHere(rumor: CarriedRumor, outcome: ReceivedRumor | undefined): readonly Rumor[] {
  if (outcome?.state !== "known" || sameVersions(outcome.held.versions, rumor.versions)) return [];
  return [{ ...rumor, ...outcome.held, mailed: false }];
}
